//! What must hold of the cache in every order in which threads go on.

use shuttle::sync::Arc;
use shuttle::{check_pct, check_random, thread};

use crate::cache::entry::{CacheEntry, CacheKey};
use crate::cache::table::{Bounds, CacheTable};
use crate::claims::NumericDate;

const ORDERS: usize = 5_000;

/// The value of a token, and the number of the insertion.
type Value = (u8, u32);

fn key(token: u8) -> CacheKey<'static> {
    // All of them in the same two groups, and some with the same tag.
    const TOKENS: [&[u8]; 8] = [b"a", b"b", b"c", b"d", b"e", b"f", b"g", b"h"];
    CacheKey { hash: u64::from(token % 3) << 8, token: TOKENS[usize::from(token)] }
}

fn table(entries: usize, bytes: usize) -> Arc<CacheTable<Value>> {
    Arc::new(CacheTable::new(Bounds { entries, bytes }))
}

fn size_of_one() -> usize {
    CacheEntry::<Value>::bytes_of(key(0), 0)
}

fn insert(table: &CacheTable<Value>, token: u8, number: u32, until: i64, now: i64) {
    let (until, now) = (NumericDate::from_seconds(until), NumericDate::from_seconds(now));
    table.insert(key(token), size_of_one(), || (token, number), until, now);
}

fn find(table: &CacheTable<Value>, token: u8) -> Option<u32> {
    let (_, entry) = table.find(key(token))?;
    assert_eq!(entry.value.0, token, "the value of another token");
    Some(entry.value.1)
}

/// When all threads have ended, the counts are those of the entries that are there.
fn is_counted(table: &CacheTable<Value>) {
    assert_eq!(table.size(), table.count());
}

#[test]
fn token_is_found_with_its_own_value_while_others_evict_each_other() {
    check_random(
        || {
            let table = table(8, usize::MAX);
            let threads: Vec<_> = (0..3_u8)
                .map(|thread| {
                    let table = Arc::clone(&table);
                    thread::spawn(move || {
                        for number in 0..3 {
                            let token = (thread * 3 + number) % 8;
                            // Twice, or the doorkeeper turns it away from a full table.
                            insert(&table, token, 0, 100, 0);
                            insert(&table, token, 1, 100, 0);
                            find(&table, token);
                            find(&table, (token + 1) % 8);
                        }
                    })
                })
                .collect();
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            is_counted(&table);
            assert!(table.size().0 <= 8);
        },
        ORDERS,
    );
}

#[test]
fn entry_that_is_removed_is_that_which_was_looked_at_and_no_newer_one() {
    check_random(
        || {
            let table = table(4, usize::MAX);
            insert(&table, 0, 1, 100, 0);
            let remover = {
                let table = Arc::clone(&table);
                thread::spawn(move || {
                    let Some((slot, entry)) = table.find(key(0)) else { return };
                    // A verdict that the first one is not good any more, and the second one is.
                    if entry.value.1 == 1 {
                        table.remove(slot, &entry);
                    }
                })
            };
            let inserter = {
                let table = Arc::clone(&table);
                thread::spawn(move || insert(&table, 0, 2, 100, 0))
            };
            remover.join().unwrap();
            inserter.join().unwrap();

            // The mark beside the slot may be late. The entry is there all the same, and counted.
            is_counted(&table);
            assert!(table.size().0 >= 1, "the second one was lost");
        },
        ORDERS,
    );
}

#[test]
fn counts_never_fall_below_nothing_while_entries_come_and_go() {
    check_random(come_and_go, ORDERS);
    check_pct(come_and_go, ORDERS, 3);
}

fn come_and_go() {
    let table = table(4, usize::MAX);
    let inserter = {
        let table = Arc::clone(&table);
        thread::spawn(move || insert(&table, 0, 1, 100, 0))
    };
    let remover = {
        let table = Arc::clone(&table);
        thread::spawn(move || {
            let found = table.find(key(0));
            found.is_some_and(|(slot, entry)| table.remove(slot, &entry))
        })
    };
    for _ in 0..4 {
        let (entries, bytes) = table.size();
        assert!(entries <= 1 && bytes <= size_of_one(), "{entries} {bytes}");
        thread::yield_now();
    }
    inserter.join().unwrap();
    remover.join().unwrap();
    is_counted(&table);
}

#[test]
fn counts_never_fall_below_nothing_when_several_remove_one_entry() {
    check_random(
        || {
            let table = table(4, usize::MAX);
            insert(&table, 0, 1, 100, 0);
            let threads: Vec<_> = (0..3)
                .map(|_| {
                    let table = Arc::clone(&table);
                    thread::spawn(move || {
                        let found = table.find(key(0));
                        found.is_some_and(|(slot, entry)| table.remove(slot, &entry))
                    })
                })
                .collect();
            let removed = threads.into_iter().map(|thread| thread.join().unwrap());

            assert_eq!(removed.filter(|&removed| removed).count(), 1, "removed once");
            assert_eq!(table.size(), (0, 0));
            is_counted(&table);
        },
        ORDERS,
    );
}

#[test]
fn bytes_are_within_their_bound_when_all_have_ended() {
    check_random(
        || {
            let most = 3 * size_of_one();
            let table = table(8, most);
            let threads: Vec<_> = (0..3_u8)
                .map(|thread| {
                    let table = Arc::clone(&table);
                    thread::spawn(move || {
                        for number in 0..2_u8 {
                            let token = thread * 2 + number;
                            insert(&table, token, 0, 100, 0);
                            insert(&table, token, 1, 100, 0);
                        }
                    })
                })
                .collect();
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            is_counted(&table);
            // Each thread that inserts last makes room for what it sees.
            assert!(table.size().1 <= most, "{:?} of {most}", table.size());
        },
        ORDERS,
    );
}

#[test]
fn entries_that_have_expired_are_swept_once() {
    check_random(
        || {
            let table = table(4, usize::MAX);
            insert(&table, 0, 0, 5, 0);
            insert(&table, 1, 0, 5, 0);
            let threads: Vec<_> = [2, 3]
                .into_iter()
                .map(|token| {
                    let table = Arc::clone(&table);
                    thread::spawn(move || insert(&table, token, 0, 100, 10))
                })
                .collect();
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            is_counted(&table);
        },
        ORDERS,
    );
}
