//! A thread that looks after something, on time and when it is asked.
//!
//! A task asks without waiting for the disk: it is woken when a look that began after its question has ended. Questions
//! that come during a look share the next one. No runtime is needed.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

/// A thread that ends when this is dropped.
pub(super) struct Worker {
    wake: SyncSender<()>,
    questions: Arc<Questions>,
}

/// The reason for a look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cause {
    Time,
    Question,
}

impl Worker {
    /// Starts the thread, which looks this often and when it is asked. It ends as well when `look` returns `false`.
    /// Tasks that have asked do not wait for `work`, which follows each look.
    pub(super) fn start(
        every: Duration,
        look: impl Fn(Cause) -> bool + Send + 'static,
        work: impl Fn() + Send + 'static,
    ) -> io::Result<Self> {
        let (wake, woken) = mpsc::sync_channel(1);
        let questions = Arc::new(Questions::default());
        let answering = Answering(Arc::clone(&questions));
        let run = move || {
            let mut due = Instant::now() + every;
            loop {
                let cause = match woken.recv_timeout(due.saturating_duration_since(Instant::now()))
                {
                    Err(RecvTimeoutError::Disconnected) => return,
                    // Questions, however many, do not put off the look that is due.
                    _ if Instant::now() >= due => Cause::Time,
                    Ok(()) => Cause::Question,
                    // Woken early.
                    Err(RecvTimeoutError::Timeout) => continue,
                };
                if cause == Cause::Time {
                    due = Instant::now() + every;
                }
                let asked = answering.0.lock().asked;
                if !look(cause) {
                    return;
                }
                answering.0.answer(asked);
                work();
            }
        };
        thread::Builder::new().name("tower-bearer-keys".to_owned()).spawn(run)?;
        Ok(Self { wake, questions })
    }

    /// Has the thread look soon, and does not wait for it.
    pub(super) fn wake(&self) {
        // If it cannot be sent, another one waits to be received.
        _ = self.wake.try_send(());
    }

    /// Waits until the thread has looked. Returns `false` if the thread has ended.
    pub(super) async fn look(&self) -> bool {
        let question = {
            let mut state = self.questions.lock();
            state.asked += 1;
            state.asked
        };
        let asking = Asking { questions: &self.questions, question };
        self.wake();
        poll_fn(|context| asking.questions.poll(question, context)).await
    }
}

/// The questions of tasks, numbered from 1.
#[derive(Default)]
struct Questions(Mutex<State>);

#[derive(Default)]
struct State {
    asked: u64,
    answered: u64,
    has_ended: bool,
    waiting: BTreeMap<u64, Waker>,
}

/// A question that waits. A request that ends before its answer leaves nothing behind.
struct Asking<'w> {
    questions: &'w Questions,
    question: u64,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        drop(self.questions.lock().waiting.remove(&self.question));
    }
}

impl Questions {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn poll(&self, question: u64, context: &Context<'_>) -> Poll<bool> {
        let mut state = self.lock();
        if state.answered >= question {
            return Poll::Ready(true);
        }
        if state.has_ended {
            return Poll::Ready(false);
        }
        let waker = state.waiting.entry(question).or_insert_with(|| context.waker().clone());
        waker.clone_from(context.waker());
        Poll::Pending
    }

    /// Answers the questions up to this one.
    fn answer(&self, question: u64) {
        let mut state = self.lock();
        state.answered = question;
        let later = state.waiting.split_off(&(question + 1));
        let answered = std::mem::replace(&mut state.waiting, later);
        drop(state);
        wake_all(answered);
    }
}

/// Tells all tasks when the thread ends, also by a panic.
struct Answering(Arc<Questions>);

impl Drop for Answering {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.has_ended = true;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        wake_all(waiting);
    }
}

fn wake_all(waiting: BTreeMap<u64, Waker>) {
    waiting.into_values().for_each(Waker::wake);
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    const NEVER: Duration = Duration::from_secs(3600);

    struct Woken(mpsc::Sender<()>);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            _ = self.0.send(());
        }
    }

    #[test]
    fn thread_works_until_its_owner_is_dropped() {
        let (done, works) = mpsc::channel();

        let worker =
            Worker::start(Duration::from_millis(1), move |_| done.send(()).is_ok(), || {}).unwrap();
        works.recv().unwrap();
        works.recv().unwrap();
        drop(worker);

        while works.recv().is_ok() {}
    }

    #[test]
    fn look_that_is_due_is_not_put_off_by_questions() {
        let (done, looks) = mpsc::channel();
        let look = move |cause| done.send(cause).is_ok();
        let worker = Worker::start(Duration::from_millis(50), look, || {}).unwrap();

        // Each question comes long before the next look is due.
        let causes = std::iter::repeat_with(|| {
            worker.wake();
            looks.recv().unwrap()
        });

        assert!(causes.take(1_000_000).any(|cause| cause == Cause::Time));
    }

    #[test]
    fn question_of_a_request_that_has_ended_leaves_nothing() {
        let (go_on, waits) = mpsc::channel::<()>();
        let worker = Worker::start(NEVER, move |_| waits.recv().is_ok(), || {}).unwrap();
        let mut context = Context::from_waker(Waker::noop());

        for _ in 0..10 {
            assert!(pin!(worker.look()).poll(&mut context).is_pending());
        }

        assert_eq!(worker.questions.lock().waiting.len(), 0);
        drop(go_on);
    }

    #[test]
    fn thread_ends_when_there_is_no_more_work() {
        let (done, works) = mpsc::channel();
        let look = move |_| {
            done.send(()).unwrap();
            false
        };

        let worker = Worker::start(Duration::from_millis(1), look, || {});

        assert_eq!(works.iter().count(), 1);
        drop(worker);
    }

    #[test]
    fn task_is_woken_by_the_look_that_began_after_its_question_and_holds_no_thread() {
        let (begun, begins) = mpsc::channel();
        let (go_on, waits) = mpsc::channel::<()>();
        let look = move |cause| {
            begun.send(cause).unwrap();
            waits.recv().is_ok()
        };
        let worker = Worker::start(NEVER, look, || {}).unwrap();
        let (waker, woken) = mpsc::channel();
        let waker = Waker::from(Arc::new(Woken(waker)));
        let mut context = Context::from_waker(&waker);
        let (mut first, mut second) = (pin!(worker.look()), pin!(worker.look()));

        assert!(first.as_mut().poll(&mut context).is_pending());
        assert_eq!(begins.recv(), Ok(Cause::Question));
        // The look has begun, so this question is for the next one.
        assert!(second.as_mut().poll(&mut context).is_pending());
        go_on.send(()).unwrap();
        woken.recv().unwrap();

        assert_eq!(first.as_mut().poll(&mut context), Poll::Ready(true));
        assert!(second.as_mut().poll(&mut context).is_pending());
        go_on.send(()).unwrap();
        woken.recv().unwrap();
        assert_eq!(second.as_mut().poll(&mut context), Poll::Ready(true));
    }

    #[test]
    fn task_does_not_wait_for_a_thread_that_has_panicked() {
        let worker = Worker::start(NEVER, |_| panic!("as it was told"), || {}).unwrap();
        let (waker, woken) = mpsc::channel();
        let waker = Waker::from(Arc::new(Woken(waker)));
        let mut context = Context::from_waker(&waker);
        let mut question = pin!(worker.look());

        let has_looked = loop {
            match question.as_mut().poll(&mut context) {
                Poll::Ready(has_looked) => break has_looked,
                Poll::Pending => woken.recv().unwrap(),
            }
        };

        assert!(!has_looked);
    }

    #[test]
    fn many_questions_during_a_look_share_the_next() {
        let (go_on, waits) = mpsc::channel::<()>();
        let looks = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&looks);
        let look = move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            waits.recv().is_ok()
        };
        let worker = Worker::start(NEVER, look, || {}).unwrap();
        let (waker, woken) = mpsc::channel();
        let waker = Waker::from(Arc::new(Woken(waker)));
        let mut context = Context::from_waker(&waker);
        let mut questions: Vec<_> = (0..100).map(|_| Box::pin(worker.look())).collect();

        for question in &mut questions {
            assert!(question.as_mut().poll(&mut context).is_pending());
        }
        // One for the first question, one for all that came after it had begun, and one to spare.
        for _ in 0..3 {
            go_on.send(()).unwrap();
        }
        for question in &mut questions {
            while question.as_mut().poll(&mut context).is_pending() {
                woken.recv().unwrap();
            }
        }

        assert!(looks.load(Ordering::SeqCst) <= 3);
    }
}
