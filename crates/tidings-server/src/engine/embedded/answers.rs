//! The answers to a group's appends. Those for one thread travel together: the first of its tasks is woken, and hands the others theirs.
//!
//! To wake a task of another thread takes a call to the system, and often a switch to that thread and back, for each answer of a group
//! again; on its own thread it takes neither.

use crate::engine::AppendError;
use std::mem;
use std::thread::{self, ThreadId};
use tidings_hub::Seq;
use tokio::sync::oneshot;

/// What an append is answered with: its events' numbers, none for those that are not stored; nothing at all for a deletion.
pub(super) type Answer = Result<Vec<Option<Seq>>, AppendError>;

/// Where an answer goes, and on which thread it is waited for.
#[derive(Debug)]
pub(super) struct Reply {
    thread: ThreadId,
    sender: oneshot::Sender<Parcel>,
}

/// The end at which it is waited for, on the thread that made it.
#[derive(Debug)]
pub(super) struct Waiting(oneshot::Receiver<Parcel>);

/// The answers of a group, in the order of the log.
#[derive(Debug, Default)]
pub(super) struct Answers(Vec<(Reply, Answer)>);

#[derive(Debug)]
struct Parcel {
    answer: Answer,
    others: Others,
}

/// Answers for others on the same thread. They are sent on when this is dropped: so also where the task that was to do it is gone.
#[derive(Debug)]
struct Others(Vec<(Reply, Answer)>);

/// A way for one answer.
pub(super) fn channel() -> (Reply, Waiting) {
    let (sender, receiver) = oneshot::channel();
    (Reply { thread: thread::current().id(), sender }, Waiting(receiver))
}

impl Waiting {
    /// Waits for the answer.
    ///
    /// # Errors
    /// As the log says; `Stopped` where nobody answers any more.
    pub(super) async fn answer(self) -> Answer {
        let Parcel { answer, others } = self.0.await.map_err(|_| AppendError::Stopped)?;
        drop(others);
        answer
    }
}

impl Answers {
    pub(super) fn push(&mut self, reply: Reply, answer: Answer) {
        self.0.push((reply, answer));
    }

    /// Sends them: one wake for each thread.
    pub(super) fn send(mut self) {
        while let Some(thread) = self.0.first().map(|(reply, _)| reply.thread) {
            send_together(self.0.extract_if(.., |(reply, _)| reply.thread == thread).collect());
        }
    }
}

fn send_together(mut answers: Vec<(Reply, Answer)>) {
    answers.reverse();
    while let Some((reply, answer)) = answers.pop() {
        let parcel = Parcel { answer, others: Others(answers) };
        // Where nobody waits any more, the next takes them.
        let Err(mut parcel) = reply.sender.send(parcel) else { return };
        answers = mem::take(&mut parcel.others.0);
    }
}

impl Drop for Others {
    fn drop(&mut self) {
        for (reply, answer) in mem::take(&mut self.0).into_iter().rev() {
            // Nobody waits where the client has gone.
            let _ = reply.sender.send(Parcel { answer, others: Others(Vec::new()) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::{Pin, pin};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll, Wake, Waker};

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn answer(seq: u64) -> Answer {
        Ok(vec![Some(Seq(seq))])
    }

    type Future<'a> = Pin<Box<dyn std::future::Future<Output = Answer> + 'a>>;

    /// Waits for answers to `count` appends, each of which wakes `wakes`.
    fn wait<'a>(count: u64, wakes: &Arc<Wakes>, answers: &mut Answers) -> Vec<Future<'a>> {
        let begin = |seq| {
            let (reply, waiting) = channel();
            let mut future: Future<'a> = Box::pin(waiting.answer());
            assert!(poll(&mut future, wakes).is_pending());
            answers.push(reply, answer(seq));
            future
        };
        (0..count).map(begin).collect()
    }

    fn poll(future: &mut Future<'_>, wakes: &Arc<Wakes>) -> Poll<Answer> {
        future.as_mut().poll(&mut Context::from_waker(&Waker::from(wakes.clone())))
    }

    #[test]
    fn a_thread_is_woken_once_and_all_of_it_have_their_answers() {
        let (here, there) = (Arc::new(Wakes::default()), Arc::new(Wakes::default()));
        let mut answers = Answers::default();
        let mut waiting = wait(3, &here, &mut answers);
        let elsewhere = thread::scope(|scope| {
            let wait = || {
                let mut answers = Answers::default();
                drop(wait(2, &there, &mut answers).split_off(2));
                answers
            };
            scope.spawn(wait).join().unwrap()
        });
        answers.0.extend(elsewhere.0);
        answers.send();
        assert_eq!(here.0.load(Ordering::Relaxed), 1, "the first");
        assert!(poll(&mut waiting[1], &here).is_pending(), "the first hands it on");
        for (index, waiting) in waiting.iter_mut().enumerate() {
            assert_eq!(poll(waiting, &here), Poll::Ready(answer(index as u64)));
        }
        assert_eq!(here.0.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn who_is_gone_keeps_nothing_from_the_others() {
        let wakes = Arc::new(Wakes::default());
        let mut answers = Answers::default();
        let mut waiting = wait(4, &wakes, &mut answers);
        // One is gone before the answer is sent, one before it reads what it was sent.
        drop(waiting.remove(0));
        answers.send();
        assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
        drop(waiting.remove(0));
        for (index, waiting) in waiting.iter_mut().enumerate() {
            assert_eq!(poll(waiting, &wakes), Poll::Ready(answer(index as u64 + 2)));
        }
    }

    #[test]
    fn no_answer_is_an_error() {
        let (reply, waiting) = channel();
        drop(reply);
        let answer = pin!(waiting.answer()).poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(answer, Poll::Ready(Err(AppendError::Stopped)));
    }
}
