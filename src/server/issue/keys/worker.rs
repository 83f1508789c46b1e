use std::convert::Infallible;
use std::io;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

/// A thread that does something again and again, and ends when this is dropped.
pub(super) struct Worker(#[expect(dead_code, reason = "held for its drop")] Sender<Infallible>);

impl Worker {
    /// Starts the thread. It ends as well when `work` returns `false`.
    pub(super) fn start(
        every: Duration,
        work: impl Fn() -> bool + Send + 'static,
    ) -> io::Result<Self> {
        let (alive, ended) = mpsc::channel();
        let run = move || {
            while matches!(ended.recv_timeout(every), Err(RecvTimeoutError::Timeout)) && work() {}
        };
        thread::Builder::new().name("tower-bearer-keys".to_owned()).spawn(run)?;
        Ok(Self(alive))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thread_works_until_its_owner_is_dropped() {
        let (done, works) = mpsc::channel();

        let worker =
            Worker::start(Duration::from_millis(1), move || done.send(()).is_ok()).unwrap();
        works.recv().unwrap();
        works.recv().unwrap();
        drop(worker);

        while works.recv().is_ok() {}
    }

    #[test]
    fn thread_ends_when_there_is_no_more_work() {
        let (done, works) = mpsc::channel();

        let worker = Worker::start(Duration::from_millis(1), move || {
            done.send(()).unwrap();
            false
        });

        assert_eq!(works.iter().count(), 1);
        drop(worker);
    }
}
