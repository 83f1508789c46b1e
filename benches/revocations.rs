//! What ten million revocations cost: a look-up, a byte, a write, a file; and what a fleet needs.
//!
//! ```text
//! cargo bench --bench revocations                about two minutes and a gigabyte of memory
//! cargo bench --bench revocations -- --fleet     one node of 200 with 100,000 requests a second
//! cargo bench --bench revocations -- --quick     a second: shows that it runs, measures nothing
//! ```
//!
//! Look-ups are measured as in `hot_path`: in short slices, one after the other, medians. Names are
//! chosen at random, so that nearly every look-up misses the processor's caches, as in life. Beside the
//! table that is used stands a blocked Bloom filter, which answers most look-ups of what was not revoked
//! by one line of memory and leaves the others to the table.
#![expect(clippy::print_stdout, reason = "the table is what it is for")]
#![expect(clippy::cast_precision_loss, reason = "numbers for people")]

mod measure;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, UNIX_EPOCH};

use siphasher::sip128::{Hasher128 as _, SipHasher13, SipHasher24};
use tower_bearer::revocation::{MemoryRevocations, Revocable, Revocation, Revocations as _};
use tower_bearer::test_util::TestClock;

use self::measure::{Case, FULL, QUICK, measure};

fn main() {
    let asked = |flag: &str| std::env::args().any(|argument| argument == flag);
    let quick = asked("--quick");
    let size = if quick { 20_000 } else { 10_000_000 };
    if asked("--fleet") {
        fleet(size);
    } else {
        look_ups(size, quick);
        if quick {
            fleet(size);
        }
    }
}

fn look_ups(size: u64, quick: bool) {
    let filled = Filled::new(size);
    filled.print();
    let view = &filled.view;
    let filter = Arc::new(Filter::new(size));
    (0..size).for_each(|n| filter.insert(&name(n)));

    let mut cases = vec![
        Case::new("hash, SipHash-2-4", some(size), |id| hash24(&id)),
        Case::new("hash, SipHash-1-3", some(size), |id| hash13(&id)),
        look_up("table, revoked", view, some(size)),
        look_up("table, not revoked", view, others(size)),
        four_names(view, size),
        filter_case("filter, revoked (then the table)", &filter, some(size)),
        filter_case("filter, not revoked", &filter, others(size)),
    ];
    let plan = if quick { QUICK } else { FULL };
    measure(&mut cases.iter_mut().collect::<Vec<_>>(), &plan);
    println!("\n{:42}{:>10}{:>10}", "one thread, nanoseconds", "median", "best");
    for case in &cases {
        println!("{:42}{:>10.0}{:>10.0}", case.name, case.median(), case.quantile(0.0));
    }
    let wrong = (0..size).filter(|&n| filter.may_contain(&name(size + n))).count();
    let (bits, share) = (BITS_PER_ENTRY, wrong as f64 / size as f64 * 100.0);
    println!("filter: {bits} bits for each entry, {share:.2} % of the others pass it");

    println!("\n{:42}{:>10}{:>10}{:>10}", "threads, nanoseconds each", "mean", "99.9 %", "longest");
    let each = if quick { 20_000 } else { 2_000_000 };
    print_threads("one reader", &readers(view, size, 1, each));
    print_threads("two readers", &readers(view, size, 2, each));
    let stop = Arc::new(AtomicBool::new(false));
    let writer = writing(&filled, &stop);
    print_threads("one reader beside a writer", &readers(view, size, 1, each));
    stop.store(true, Ordering::Relaxed);
    let written = writer.join().expect("the writer does not panic");
    println!("{:42}{:>10}", "written meanwhile", written);

    save_and_open(view);
    clear_up(&filled);
}

/// A view that is full, and what it cost to fill.
struct Filled {
    view: MemoryRevocations,
    clock: TestClock,
    size: u64,
    writes: Vec<u32>,
    resident: usize,
}

impl Filled {
    fn new(size: u64) -> Self {
        let clock = TestClock::at(NOW);
        let view = MemoryRevocations::new().with_clock(clock.clone());
        // Not of zeros, so that these pages are here already and do not count as the view's.
        let mut writes = vec![1; usize::try_from(size).expect("it fits")];
        let before = resident_bytes();
        for n in 0..size {
            let revocation = revocation(n, NOW + LIFETIME);
            let began = Instant::now();
            view.revoke(&revocation);
            writes[usize::try_from(n).expect("it fits")] = nanos(began.elapsed());
        }
        let resident = resident_bytes().saturating_sub(before);
        Self { view, clock, size, writes, resident }
    }

    fn print(&self) {
        let (size, bytes) = (self.size as f64, self.view.memory_bytes() as f64);
        println!("{} revoked tokens", self.view.len());
        println!(
            "memory_bytes: {:.1} for each; resident: {:.1}",
            bytes / size,
            self.resident as f64 / size
        );
        print_writes("revoke", self.writes.clone());
    }
}

fn print_writes(name: &str, mut writes: Vec<u32>) {
    writes.sort_unstable();
    let at = |part: f64| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
        let index = ((writes.len() - 1) as f64 * part) as usize;
        Duration::from_nanos(writes[index].into())
    };
    println!("{name}: median {:?}, 99.9 % {:?}, longest {:?}", at(0.5), at(0.999), at(1.0));
}

fn look_up(name: &str, view: &MemoryRevocations, names: impl FnMut() -> String + 'static) -> Case {
    let view = view.clone();
    Case::new(name, names, move |id| view.lookup(ISSUER, Revocable::Token(&id)))
}

/// As the verifier asks: token, session, subject, client, with revocations of every kind about.
fn four_names(view: &MemoryRevocations, size: u64) -> Case {
    let view = view.clone();
    for n in 0..1000 {
        let other = name(n);
        view.revoke(Revocation::session(ISSUER, &other));
        view.revoke(Revocation::subject(ISSUER, &other, UNIX_EPOCH));
        view.revoke(Revocation::client(ISSUER, &other, UNIX_EPOCH));
    }
    Case::new("table, four names, none revoked", others(size), move |id| {
        [
            Revocable::Token(&id),
            Revocable::Session(&id),
            Revocable::Subject(&id),
            Revocable::Client("orders-web-frontend"),
        ]
        .map(|name| view.lookup(ISSUER, name))
    })
}

fn filter_case(name: &str, filter: &Arc<Filter>, names: impl FnMut() -> String + 'static) -> Case {
    let filter = Arc::clone(filter);
    Case::new(name, names, move |id| filter.may_contain(&id))
}

/// A blocked Bloom filter: eight bits in one line of 64 bytes for each name.
struct Filter(Box<[[AtomicU64; 8]]>);

impl Filter {
    fn new(size: u64) -> Self {
        let blocks = size * BITS_PER_ENTRY / 512 + 1;
        Self((0..blocks).map(|_| Default::default()).collect())
    }

    fn insert(&self, id: &str) {
        let (block, bits) = self.place(id);
        for (word, bit) in self.0[block].iter().zip(bits) {
            word.fetch_or(bit, Ordering::Relaxed);
        }
    }

    fn may_contain(&self, id: &str) -> bool {
        let (block, bits) = self.place(id);
        self.0[block].iter().zip(bits).all(|(word, bit)| word.load(Ordering::Relaxed) & bit != 0)
    }

    fn place(&self, id: &str) -> (usize, [u64; 8]) {
        let hash = hash24(id);
        let (high, low) = (hash >> 64, hash & u128::from(u64::MAX));
        let block = (high * self.0.len() as u128) >> 64;
        let bits = std::array::from_fn(|word| 1 << ((low >> (6 * word)) & 63));
        (usize::try_from(block).expect("an index"), bits)
    }
}

struct Seen {
    mean: f64,
    sorted: Vec<u32>,
}

/// Each thread looks up names of both kinds, one after the other.
fn readers(view: &MemoryRevocations, size: u64, threads: u64, each: u64) -> Seen {
    let handles: Vec<_> = (0..threads)
        .map(|thread| {
            let view = view.clone();
            thread::spawn(move || {
                let mut random = Random(thread + 1);
                let mut seen = Vec::with_capacity(usize::try_from(each).expect("it fits"));
                for _ in 0..each / 1000 {
                    let ids: Vec<_> = (0..1000).map(|_| name(random.below(2 * size))).collect();
                    for id in &ids {
                        let began = Instant::now();
                        std::hint::black_box(view.lookup(ISSUER, Revocable::Token(id)));
                        seen.push(nanos(began.elapsed()));
                    }
                }
                seen
            })
        })
        .collect();
    let mut sorted: Vec<u32> = Vec::new();
    for handle in handles {
        sorted.extend(handle.join().expect("no reader panics"));
    }
    sorted.sort_unstable();
    let mean = sorted.iter().map(|&ns| f64::from(ns)).sum::<f64>() / sorted.len() as f64;
    Seen { mean, sorted }
}

fn print_threads(name: &str, seen: &Seen) {
    let longest = seen.sorted[seen.sorted.len() - 1];
    let nearly_all = seen.sorted[seen.sorted.len() * 999 / 1000];
    println!("{name:42}{:>10.0}{nearly_all:>10}{longest:>10}", seen.mean);
}

fn writing(filled: &Filled, stop: &Arc<AtomicBool>) -> thread::JoinHandle<u64> {
    let (view, stop, size) = (filled.view.clone(), Arc::clone(stop), filled.size);
    thread::spawn(move || {
        let mut written = 0;
        while !stop.load(Ordering::Relaxed) {
            // Of those that are here, so that the size stays.
            view.revoke(revocation(written * 7919 % size, NOW + LIFETIME));
            written += 1;
        }
        written
    })
}

fn save_and_open(view: &MemoryRevocations) {
    let path = std::env::temp_dir().join(format!("tower-bearer-bench-{}", std::process::id()));
    let began = Instant::now();
    view.save(&path).expect("there is room");
    let saved = began.elapsed();
    let bytes = std::fs::metadata(&path).expect("it was written").len();
    let began = Instant::now();
    let opened = MemoryRevocations::open(&path).expect("it is whole");
    println!("\nsave: {saved:?}, {bytes} bytes; open: {:?}", began.elapsed());
    assert_eq!(opened.len(), view.len());
    std::fs::remove_file(&path).expect("it is here");
}

/// All expire at once; then each write clears up one map.
fn clear_up(filled: &Filled) {
    filled.clock.set(NOW + LIFETIME + 3600);
    let writes = (0..1024).map(|n| {
        let revocation = revocation(filled.size + n, NOW + 2 * LIFETIME + 3600);
        let began = Instant::now();
        filled.view.revoke(&revocation);
        nanos(began.elapsed())
    });
    print_writes("a write that clears up", writes.collect());
    println!("left: {} of 1024 new tokens and 3000 others", filled.view.len());
}

/// One node of 200 behind which 100,000 requests a second arrive, while ten million revocations live.
fn fleet(size: u64) {
    println!("\nA node of 200, {size} live revocations");
    for (tokens_live, all) in [(900, true), (900, false), (86_400, true)] {
        let kept = tokens_live + 360;
        let rate = size / kept;
        let requests = if all { 100_000 } else { 500 };
        let clock = TestClock::at(NOW);
        let view = MemoryRevocations::new().with_clock(clock.clone());
        let began = Instant::now();
        // As they would have come: spread over the time that they are kept.
        for n in 0..size {
            view.revoke(revocation(n, NOW - 360 + n * kept / size));
        }
        let caught_up = began.elapsed();
        let (mut next, mut random) = (size, Random(7));
        let (mut stream, mut look_ups) = (Duration::ZERO, Duration::ZERO);
        let seconds = if size < 1_000_000 { 2 } else { 60 };
        for second in 0..seconds {
            clock.set(NOW + second);
            let came: Vec<_> =
                (next..next + rate).map(|n| revocation(n, NOW + second + tokens_live)).collect();
            next += rate;
            let began = Instant::now();
            for revocation in &came {
                view.revoke(revocation);
            }
            stream += began.elapsed();
            for _ in 0..requests / 500 {
                let ids: Vec<_> = (0..500).map(|_| name(random.below(u64::MAX))).collect();
                let began = Instant::now();
                for id in &ids {
                    std::hint::black_box(view.lookup(ISSUER, Revocable::Token(id)));
                    std::hint::black_box(view.lookup(ISSUER, Revocable::Session(id)));
                    std::hint::black_box(view.lookup(ISSUER, Revocable::Subject(id)));
                    std::hint::black_box(view.lookup(ISSUER, Revocable::Client(id)));
                }
                look_ups += began.elapsed();
            }
        }
        let share = |time: Duration| time.as_secs_f64() / seconds as f64 * 100.0;
        println!(
            "tokens live {tokens_live} s: {rate} revocations and {requests} requests a second"
        );
        println!(
            "  full view written in {caught_up:?}, {:.0} a second",
            size as f64 / caught_up.as_secs_f64()
        );
        println!("  stream: {:.2} % of a core; look-ups: {:.3} %", share(stream), share(look_ups));
        println!("  {} entries, {} MB", view.len(), view.memory_bytes() / 1_000_000);
    }
}

fn revocation(n: u64, expires: u64) -> Revocation {
    Revocation::token(ISSUER, &name(n), UNIX_EPOCH + Duration::from_secs(expires))
}

/// What a `jti` looks like: 128 bits in hexadecimal.
fn name(n: u64) -> String {
    let mut random = Random(n);
    format!("{:016x}{:016x}", random.next(), n)
}

fn some(size: u64) -> impl FnMut() -> String {
    let mut random = Random(1);
    move || name(random.below(size))
}

fn others(size: u64) -> impl FnMut() -> String {
    let mut random = Random(2);
    move || name(size + random.below(size))
}

fn hash24(id: &str) -> u128 {
    let mut hasher = SipHasher24::new_with_key(KEY);
    write_name(id, &mut hasher);
    hasher.finish128().as_u128()
}

fn hash13(id: &str) -> u128 {
    let mut hasher = SipHasher13::new_with_key(KEY);
    write_name(id, &mut hasher);
    hasher.finish128().as_u128()
}

fn write_name(id: &str, hasher: &mut impl std::hash::Hasher) {
    hasher.write(&[0]);
    hasher.write(&(ISSUER.len() as u64).to_le_bytes());
    hasher.write(ISSUER.as_bytes());
    hasher.write(id.as_bytes());
}

/// `SplitMix64`: as random as a bench needs it.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

fn nanos(time: Duration) -> u32 {
    u32::try_from(time.as_nanos()).unwrap_or(u32::MAX)
}

/// What the system says that this program takes; 0 where it does not say.
fn resident_bytes() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = pages.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or_default() * 4096
}

const ISSUER: &str = "https://id.example.com/realms/shop";
const KEY: &[u8; 16] = b"0123456789abcdef";
const NOW: u64 = 1_800_000_000;
const LIFETIME: u64 = 900;
const BITS_PER_ENTRY: u64 = 12;
