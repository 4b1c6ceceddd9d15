//! Places for batches in a mailbox: whoever fills it waits for one, on a thread that may wait.

use super::sync::{Condvar, Mutex, MutexGuard};

/// A number of places, taken by one thread and given back by another.
#[derive(Debug)]
pub(super) struct Places {
    free: Mutex<usize>,
    freed: Condvar,
}

impl Places {
    pub(super) fn new(count: usize) -> Self {
        Places { free: Mutex::new(count), freed: Condvar::new() }
    }

    /// Takes a place, if there is one.
    pub(super) fn try_take(&self) -> bool {
        let mut free = self.lock();
        let is_free = *free > 0;
        *free -= usize::from(is_free);
        is_free
    }

    /// Takes a place; blocks until there is one.
    pub(super) fn take(&self) {
        let free = self.lock();
        let mut free = self.freed.wait_while(free, |free| *free == 0).expect("nobody panics while holding the places");
        *free -= 1;
    }

    /// Gives a place back.
    pub(super) fn give_back(&self) {
        let mut free = self.lock();
        *free += 1;
        // Only a mailbox that was full has somebody waiting; the rest of the time this costs no system call.
        if *free == 1 {
            self.freed.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        self.free.lock().expect("nobody panics while holding the places")
    }
}

#[cfg(not(shuttle))]
#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::mpsc::channel;

    #[test]
    fn who_finds_none_waits_for_one() {
        let places = Arc::new(Places::new(2));
        assert!(places.try_take() && places.try_take() && !places.try_take());
        let (sender, taken) = channel();
        let taker = std::thread::spawn({
            let places = places.clone();
            move || {
                places.take();
                sender.send(()).unwrap();
            }
        });
        // Whether the other thread has begun to wait by now or not: it gets the place that is given back, and no other.
        assert!(taken.try_recv().is_err());
        places.give_back();
        taken.recv().unwrap();
        taker.join().unwrap();
        assert_eq!(*places.lock(), 0);
    }
}
