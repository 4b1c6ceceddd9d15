//! Places in a mailbox, and room for subscribers: never more than there are, and what is given back is taken up again.

use crate::explore::explore;
use crate::places::Places;
use crate::room::Room;
use crate::sync::Mutex;
use shuttle::sync::mpsc::channel;
use shuttle::thread;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

const MAX: usize = 2;

/// How many hold something now; shuttle does not look at it.
#[derive(Default)]
struct Holders(AtomicUsize);

impl Holders {
    fn enter(&self) {
        assert!(self.0.fetch_add(1, Relaxed) < MAX, "more are held than there are");
    }

    fn leave(&self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[test]
fn places_that_are_given_back_are_taken_again() {
    explore(|| check_places(0));
}

#[test]
fn one_place_is_enough() {
    explore(|| check_places(MAX - 1));
}

/// Some are taken by somebody who keeps them.
fn check_places(kept: usize) {
    let (places, holders) = (Arc::new(Places::new(MAX)), Arc::new(Holders::default()));
    for _ in 0..kept {
        assert!(places.try_take());
        holders.enter();
    }
    let (take, taken) = channel();
    // Whoever has the turn at the log fills the mailboxes: now one thread, now another, but one at a time.
    let turn = Arc::new(Mutex::new(()));
    let takers: Vec<_> = (0..2)
        .map(|_| {
            let (places, holders, turn, take) = (places.clone(), holders.clone(), turn.clone(), take.clone());
            thread::spawn(move || {
                for _ in 0..3 {
                    let _turn = turn.lock().unwrap();
                    if !places.try_take() {
                        places.take();
                    }
                    holders.enter();
                    take.send(()).unwrap();
                }
            })
        })
        .collect();
    drop(take);
    while taken.recv().is_ok() {
        holders.leave();
        places.give_back();
    }
    takers.into_iter().for_each(|taker| taker.join().unwrap());
    let free = std::iter::from_fn(|| places.try_take().then_some(())).count();
    assert_eq!(free, MAX - kept, "all are back");
}

#[test]
fn a_room_never_holds_more_than_it_has_places() {
    explore(|| {
        let (room, holders) = (Room::new(MAX), Arc::new(Holders::default()));
        let guests: Vec<_> = (0..3)
            .map(|n| {
                let (room, holders) = (room.clone(), holders.clone());
                thread::spawn(move || {
                    for _ in 0..2 {
                        let Some(place) = room.enter() else { continue };
                        holders.enter();
                        thread::yield_now();
                        holders.leave();
                        // As a slot gives it back, and as a table of sockets does.
                        if n == 0 {
                            place.into_count();
                            room.leave();
                        }
                    }
                })
            })
            .collect();
        guests.into_iter().for_each(|guest| guest.join().unwrap());
        assert_eq!(room.taken(), 0, "all have left, and who was refused took nothing");
        let places: Vec<_> = std::iter::from_fn(|| room.enter()).collect();
        assert_eq!(places.len(), MAX);
    });
}
