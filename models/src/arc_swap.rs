//! `arc_swap` as its documentation describes it: each operation is one step that no other thread can divide.

use std::sync::Arc;

use shuttle::sync::Mutex;

pub struct ArcSwapOption<T>(Mutex<Option<Arc<T>>>);

/// What was loaded.
pub struct Guard<T>(T);

impl<T> std::ops::Deref for Guard<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> ArcSwapOption<T> {
    pub fn empty() -> Self {
        Self(Mutex::new(None))
    }

    pub fn load(&self) -> Guard<Option<Arc<T>>> {
        Guard(self.load_full())
    }

    pub fn load_full(&self) -> Option<Arc<T>> {
        self.0.lock().expect("no model panics in here").clone()
    }

    pub fn swap(&self, new: Option<Arc<T>>) -> Option<Arc<T>> {
        std::mem::replace(&mut *self.0.lock().expect("no model panics in here"), new)
    }

    pub fn compare_and_swap(
        &self,
        current: &Guard<Option<Arc<T>>>,
        new: Option<Arc<T>>,
    ) -> Guard<Option<Arc<T>>> {
        let mut slot = self.0.lock().expect("no model panics in here");
        let address = |at: &Option<Arc<T>>| at.as_ref().map_or(std::ptr::null(), Arc::as_ptr);
        if std::ptr::eq(address(&slot), address(&current.0)) {
            Guard(std::mem::replace(&mut *slot, new))
        } else {
            Guard(slot.clone())
        }
    }
}
