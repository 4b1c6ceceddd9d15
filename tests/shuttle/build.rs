//! The product's modules are built to be tried in every order of steps: they take what they wait by from shuttle.

fn main() {
    println!("cargo::rustc-cfg=shuttle");
    println!("cargo::rerun-if-changed=build.rs");
}
