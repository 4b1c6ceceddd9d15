//! More of everything than one block, one mark or one look under the lock has.

use super::check::{self, Asked};
use super::log::Made;
use super::options;
use crate::query::From;
use std::sync::Arc;

fn asked(topics: &[&str], from: From) -> Asked {
    Asked {
        topics: topics.iter().map(|topic| Arc::from(*topic)).collect(),
        pattern: None,
        from,
        modulus: 1,
        events_max: 10_000,
        bytes_max: 1 << 20,
        examined_max: 3_000,
        now: 0,
    }
}

fn check_all(made: &mut Made) {
    let froms = [
        From::After { seq: 0, told: 0 },
        From::After { seq: 4_000, told: 0 },
        From::After { seq: 5_999, told: 0 },
        From::Since(1_500),
        From::Newest(1),
        From::Newest(5_500),
        From::LastEach { after: 0 },
    ];
    for from in froms {
        for topics in [&["dense"][..], &["sparse"], &["sparse", "dense"], &["sparse", "none"], &["none"]] {
            check::to_the_end(made, &asked(topics, from), false, 0);
            check::to_the_end(made, &Asked { pattern: Some("d"), ..asked(topics, from) }, false, 0);
            check::to_the_end(made, &Asked { modulus: 1_001, ..asked(topics, from) }, false, 0);
        }
    }
}

#[test]
fn thousands_of_events_of_one_topic() {
    let mut made = Made::new(options(Vec::new()));
    let (dense, sparse): (Arc<str>, Arc<str>) = (Arc::from("dense"), Arc::from("sparse"));
    for n in 0..6_000 {
        let topics = if n % 1_500 == 7 { vec![sparse.clone(), dense.clone()] } else { vec![dense.clone()] };
        made.append(&topics, vec![1; n % 50], None, None);
        made.time += 1;
    }
    check_all(&mut made);
    made.roll();
    check_all(&mut made);
    made.write_index();
    check_all(&mut made);
    made.reopen();
    check_all(&mut made);
}
