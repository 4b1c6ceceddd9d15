//! The demo Tidings grew from, to the letter: a clock on `/stream`, and a page on another origin that listens to it.

mod clock;
pub mod date;
mod page;

pub use clock::Demo;
pub(crate) use page::serve as serve_page;
