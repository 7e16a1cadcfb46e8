//! Results that are handed over once, though whoever asked may have been cancelled by then: what
//! nobody took goes back, and is what the next one gets.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What came back.
pub(super) struct Returned<T>(Arc<Mutex<VecDeque<T>>>);

impl<T> Clone for Returned<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Default for Returned<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> Returned<T> {
    fn lock(&self) -> MutexGuard<'_, VecDeque<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What came back first, else what comes next; at the end there may be one that another caller
    /// was cancelled with.
    pub(super) async fn or_next(&self, next: impl Future<Output = Option<T>>) -> Option<Held<T>> {
        if let Some(held) = self.again() {
            return Some(held);
        }
        next.await.map_or_else(|| self.again(), |next| Some(self.hold(next)))
    }

    fn again(&self) -> Option<Held<T>> {
        let value = self.lock().pop_front()?;
        Some(self.hold(value))
    }

    fn hold(&self, value: T) -> Held<T> {
        Held { value: Some(value), back: self.clone() }
    }
}

/// A result on its way; dropped untaken, it goes back.
pub(super) struct Held<T> {
    value: Option<T>,
    back: Returned<T>,
}

impl<T> Held<T> {
    /// The result; `None` never before it is dropped.
    pub(super) fn take(mut self) -> Option<T> {
        self.value.take()
    }
}

impl<T> Drop for Held<T> {
    fn drop(&mut self) {
        if let Some(value) = self.value.take() {
            self.back.lock().push_front(value);
        }
    }
}
