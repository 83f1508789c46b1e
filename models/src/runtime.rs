//! A runtime whose tasks are shuttle's. Each thread of a model is in it.

use std::future::Future;

use shuttle::sync::Mutex;

/// Why a task cannot be started where the caller is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotHere {
    NoRuntime,
    Panicked,
}

#[derive(Debug, Default)]
pub struct Runtimes;

impl Runtimes {
    pub fn current(&self) -> Result<Handle, NotHere> {
        Ok(Handle)
    }
}

#[derive(Clone, Debug)]
pub struct Handle;

shuttle::lazy_static! {
    /// The task of the runtime, which has one at a time.
    static ref TASK: Mutex<Option<AbortHandle>> = Mutex::new(None);
}

/// Ends the runtime: its task is dropped, wherever it is.
pub fn end() {
    let task = TASK.lock().expect("no model panics in here").take();
    if let Some(task) = task {
        task.abort();
    }
}

pub struct Running(AbortHandle);

#[derive(Clone, Debug)]
pub struct AbortHandle(shuttle::future::AbortHandle);

impl Handle {
    pub fn spawn<F>(&self, task: F) -> Running
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        let task = AbortHandle(shuttle::future::spawn(task).abort_handle());
        *TASK.lock().expect("no model panics in here") = Some(task.clone());
        Running(task)
    }
}

impl Running {
    pub fn abort_handle(&self) -> AbortHandle {
        self.0.clone()
    }
}

impl AbortHandle {
    pub fn abort(&self) {
        self.0.abort();
    }
}
