//! Which mutant is switched on, if any; and which were met. Copied into the tree as `src/mutants.rs`.

use std::fs::File;
use std::io::Write as _;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

struct Switch {
    on: u32,
    /// Where those that are met are written down.
    met: Option<(File, Box<[AtomicBool]>)>,
}

/// Whether this mutant is to show itself.
pub(crate) fn on(id: u32) -> bool {
    static SWITCH: LazyLock<Switch> = LazyLock::new(|| Switch {
        on: std::env::var("MUTANT").ok().and_then(|id| id.parse().ok()).unwrap_or_default(),
        met: std::env::var_os("MUTANTS_MET").map(|path| {
            let met = std::iter::repeat_with(AtomicBool::default).take(1 << 16);
            (File::create(path).expect("a file to write to"), met.collect())
        }),
    });
    if let Some((mut file, met)) = SWITCH.met.as_ref().map(|(file, met)| (file, met))
        && !met[id as usize].swap(true, Ordering::Relaxed)
    {
        writeln!(file, "{id}").expect("a file to write to");
    }
    SWITCH.on == id
}
