//! Remembers proofs in memory, in two generations: a number of 8 bytes for a proof and the free room of a table, 22
//! bytes together at most. A proof has no date of its own. When the young generation is as old as a proof lives, it
//! becomes the old one, and the old one is dropped at once. A shard looks at the clock with each sixteenth proof, and
//! before it refuses one for want of room.
//!
//! The number is a keyed hash. Two proofs have the same one by a chance of 2⁻⁶⁴ for each that is remembered: one of some
//! 10¹² honest requests is refused, and its client makes another proof.

use std::fmt;
use std::hash::BuildHasher as _;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use foldhash::fast::RandomState;

use super::table::NumberTable;
use super::{ProofId, ProofUse, ReplayCheck, ReplayStore};
use crate::clock::Moment;
use crate::error::ReplaysUnavailable;

/// Remembers used proofs in the memory of this program: for an API that runs on one node. Clones
/// share their memory.
///
/// Each proof is kept for its lifetime at least, and is forgotten after twice its lifetime, when other
/// proofs have come or their room is needed. A proof takes 22 bytes at most. When the store is full, it refuses new proofs with 503 and forgets none that could
/// be used again, and the log says so. It cannot tell an attack from a rush: limit the requests of
/// each client in front of it.
///
/// A program that starts has forgotten the proofs of before, so a proof of the last minute can be used
/// once more. With [`Nonces::generate`](crate::dpop::Nonces::generate) it cannot: the secret is a new one.
#[derive(Clone)]
pub struct MemoryReplays(Arc<Shards>);

struct Shards {
    /// Numbers the proofs. Its keys are random, so that no client can make proofs that meet in one place.
    hasher: RandomState,
    all: [Mutex<Shard>; SHARDS],
    /// The number of proofs that a shard keeps.
    most: usize,
}

struct Shard {
    young: NumberTable,
    old: NumberTable,
    /// When the young generation began.
    since: Moment,
    /// The longest lifetime of a proof so far.
    lifetime: Duration,
    /// The number of proofs until the clock is read again. A generation may be kept too long, and never too short.
    until_clock: u8,
}

impl MemoryReplays {
    /// Creates a store of at most four million proofs, which take 90 MB at most.
    pub fn new() -> Self {
        Self::with_max_proofs(4_000_000)
    }

    /// Creates a store that keeps this number of proofs. The number is rounded up to a multiple of 64.
    ///
    /// A store needs room for the proofs of twice their lifetime: at 1,000 requests a second and a
    /// lifetime of 70 seconds, for 140,000.
    pub fn with_max_proofs(proofs: usize) -> Self {
        let all = std::array::from_fn(|_| {
            let (young, old) = Default::default();
            let (since, lifetime) = (Moment::now(), Duration::ZERO);
            Mutex::new(Shard { young, old, since, lifetime, until_clock: 0 })
        });
        // The proofs are spread by chance, so some shards get a few more than others.
        let most = proofs.div_ceil(SHARDS).max(1);
        Self(Arc::new(Shards { all, most, hasher: RandomState::default() }))
    }

    /// Returns the number of proofs that are kept.
    pub fn len(&self) -> usize {
        let len = |shard: &Mutex<Shard>| shard.lock().unwrap_or_else(PoisonError::into_inner).len();
        self.0.all.iter().map(len).sum()
    }

    /// Returns whether no proof is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn use_proof(
        &self,
        proof: ProofId,
        lifetime: Duration,
    ) -> Result<ProofUse, ReplaysUnavailable> {
        let Shards { hasher, all, most } = &*self.0;
        let number = hasher.hash_one(proof).max(1);
        let mut shard =
            all[last_bits(number) % SHARDS].lock().unwrap_or_else(PoisonError::into_inner);
        shard.use_proof(number, lifetime, *most)
    }
}

impl Shard {
    fn use_proof(
        &mut self,
        number: u64,
        lifetime: Duration,
        most: usize,
    ) -> Result<ProofUse, ReplaysUnavailable> {
        self.lifetime = self.lifetime.max(lifetime);
        if self.until_clock == 0 || self.len() >= most {
            self.forget_old(Moment::now());
            self.until_clock = CLOCK_EVERY;
        }
        self.until_clock -= 1;
        if self.old.contains(number) {
            return Ok(ProofUse::Replayed);
        }
        if self.len() >= most {
            let is_known = self.young.contains(number);
            return if is_known {
                Ok(ProofUse::Replayed)
            } else {
                Err(ReplaysUnavailable::new(FULL))
            };
        }
        Ok(if self.young.insert(number) { ProofUse::First } else { ProofUse::Replayed })
    }

    fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Begins another generation if it is time.
    fn forget_old(&mut self, now: Moment) {
        let age = now.since(self.since);
        if age >= self.lifetime {
            self.old = mem::take(&mut self.young);
            if age >= self.lifetime.saturating_mul(2) {
                self.old = NumberTable::default();
            }
            self.since = now;
        }
    }
}

/// Returns as many of the last bits of a number as fit.
#[expect(clippy::cast_possible_truncation, reason = "that is what it is for")]
fn last_bits(number: u64) -> usize {
    number as usize
}

impl ReplayStore for MemoryReplays {
    fn remember(&self, proof: ProofId, lifetime: Duration) -> ReplayCheck {
        ReplayCheck::Done(self.use_proof(proof, lifetime))
    }
}

impl Default for MemoryReplays {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryReplays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let most = self.0.most.saturating_mul(SHARDS);
        f.debug_struct("MemoryReplays").field("max_proofs", &most).finish_non_exhaustive()
    }
}

/// Requests that come at the same time seldom wait for each other.
const SHARDS: usize = 64;
/// To read the clock takes as long as all else, and the processor cannot look up a number meanwhile.
const CLOCK_EVERY: u8 = 16;
const FULL: &str = "the memory of used proofs is full (`MemoryReplays::with_max_proofs`)";

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME: Duration = Duration::from_secs(60);

    fn id(number: u64) -> ProofId {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        ProofId::from_bytes(bytes)
    }

    fn remember(store: &MemoryReplays, number: u64) -> Result<ProofUse, ReplaysUnavailable> {
        match store.remember(id(number), LIFETIME) {
            ReplayCheck::Done(result) => result,
            ReplayCheck::Pending(_) => unreachable!("memory answers at once"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn proof_is_known_for_its_lifetime_and_forgotten_after_twice_the_time() {
        let store = MemoryReplays::new();
        for wait in [0, 30, 29] {
            tokio::time::advance(Duration::from_secs(wait)).await;
            let expected = if wait == 0 { ProofUse::First } else { ProofUse::Replayed };
            assert_eq!(remember(&store, 1).unwrap(), expected, "{wait}");
        }
        // The generation changes for proofs that come now.
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(remember(&store, 1).unwrap(), ProofUse::Replayed);
        assert_eq!(store.len(), 1);

        tokio::time::advance(2 * LIFETIME).await;
        (1000..10_000).for_each(|other| drop(remember(&store, other)));
        assert_eq!(remember(&store, 1).unwrap(), ProofUse::First);
    }

    #[tokio::test(start_paused = true)]
    async fn full_store_has_room_as_soon_as_its_proofs_are_old() {
        let store = MemoryReplays::with_max_proofs(64);
        let accepted = || {
            (0..1000)
                .filter(|number| matches!(remember(&store, *number), Ok(ProofUse::First)))
                .count()
        };

        assert_eq!(accepted(), 64);
        assert_eq!(accepted(), 0);
        tokio::time::advance(2 * LIFETIME).await;
        assert_eq!(accepted(), 64);
    }

    #[tokio::test(start_paused = true)]
    async fn proof_that_comes_at_the_end_of_a_generation_is_kept_as_long_as_others() {
        for offset in 0..=60 {
            let store = MemoryReplays::new();
            remember(&store, 0).unwrap();
            tokio::time::advance(Duration::from_secs(offset)).await;
            remember(&store, 1).unwrap();
            tokio::time::advance(Duration::from_millis(59_999)).await;
            // Whatever happens to other proofs of the shard.
            (1000..2000).for_each(|other| drop(remember(&store, other)));

            assert_eq!(remember(&store, 1).unwrap(), ProofUse::Replayed, "{offset}");
        }
    }

    #[test]
    fn full_store_refuses_new_proofs_and_still_knows_the_old_ones() {
        let store = MemoryReplays::with_max_proofs(640);
        let mut kept = Vec::new();
        let mut refused = 0;
        for number in 0..10_000 {
            match remember(&store, number) {
                Ok(ProofUse::First) => kept.push(number),
                Ok(ProofUse::Replayed) => panic!("{number} is new"),
                Err(_) => refused += 1,
            }
        }

        assert_eq!((kept.len(), store.len(), refused), (640, 640, 10_000 - 640));
        assert!(kept.iter().all(|number| remember(&store, *number).unwrap() == ProofUse::Replayed));
    }

    #[test]
    fn of_many_uses_at_the_same_time_one_is_the_first() {
        let store = MemoryReplays::new();
        let first = || {
            let uses = (0..500).map(|number| remember(&store, number).unwrap());
            uses.filter(|proof_use| *proof_use == ProofUse::First).count()
        };

        let firsts: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(first)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });

        assert_eq!(firsts, 500);
    }

    #[tokio::test(start_paused = true)]
    async fn longer_lifetime_counts_for_all_proofs_from_then_on() {
        let store = MemoryReplays::new();
        remember(&store, 1).unwrap();
        let ReplayCheck::Done(long) = store.remember(id(2), 5 * LIFETIME) else { unreachable!() };
        long.unwrap();

        tokio::time::advance(4 * LIFETIME).await;

        assert_eq!(remember(&store, 2).unwrap(), ProofUse::Replayed);
    }

    #[test]
    fn empty_store_says_so() {
        let store = MemoryReplays::default();
        assert!(store.is_empty());
        remember(&store, 1).unwrap();
        assert!(!store.is_empty());
        assert_eq!(
            format!("{store:?} {:?}", id(1)),
            "MemoryReplays { max_proofs: 4000000, .. } ProofId"
        );
    }
}
