use std::collections::VecDeque;

use super::super::TestKey;
use crate::jose::{Algorithm, Family};

/// The provider's keys: those it publishes, and the one it signs with.
pub(super) struct KeyRing {
    published: Vec<TestKey>,
    current: TestKey,
    /// Keys that are published already, to sign later.
    next: VecDeque<TestKey>,
    /// The number of keys made so far. Each has a name of its own.
    made: usize,
}

impl KeyRing {
    pub(super) fn new(algorithm: Algorithm) -> Self {
        let current = make(1, algorithm);
        Self { published: vec![current.clone()], current, next: VecDeque::new(), made: 1 }
    }

    pub(super) fn current(&self) -> &TestKey {
        &self.current
    }

    pub(super) fn published(&self) -> &[TestKey] {
        &self.published
    }

    pub(super) fn rotate(&mut self) -> TestKey {
        match self.next.pop_front() {
            Some(key) => self.sign_with(key),
            None => self.rotate_to(self.current.algorithm()),
        }
    }

    pub(super) fn rotate_to(&mut self, algorithm: Algorithm) -> TestKey {
        let key = self.publish(algorithm);
        self.sign_with(key)
    }

    pub(super) fn publish_next(&mut self) -> TestKey {
        let key = self.publish(self.current.algorithm());
        self.next.push_back(key.clone());
        key
    }

    pub(super) fn withdraw(&mut self, key_id: &str) {
        let before = self.published.len();
        let is_another = |key: &TestKey| key.key_id() != Some(key_id);
        self.published.retain(is_another);
        self.next.retain(is_another);
        assert!(self.published.len() < before, "no key {key_id:?} is published");
    }

    fn publish(&mut self, algorithm: Algorithm) -> TestKey {
        let key = make(self.made + 1, algorithm);
        self.made += 1;
        self.published.push(key.clone());
        key
    }

    fn sign_with(&mut self, key: TestKey) -> TestKey {
        self.current = key.clone();
        key
    }
}

fn make(number: usize, algorithm: Algorithm) -> TestKey {
    assert!(
        algorithm.family() != Family::Hmac,
        "{algorithm} is for secrets, which no provider publishes"
    );
    TestKey::generate(algorithm).with_key_id(format!("key-{number}"))
}
