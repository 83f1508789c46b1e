//! Tests where and for how long a source of keys lives: runtimes, tasks, readiness, operators.

mod operators;
mod runtimes;
mod status;

use std::sync::Arc;

use tower_bearer::Verifier;
use tower_bearer::keys::CachedKeys;

use crate::support::scripted::{Scripted, cached};
use crate::support::{User, verifier_of};

/// A shared source, and a verifier that uses it.
fn source(provider: &Scripted) -> (Arc<CachedKeys<Scripted>>, Verifier<User>) {
    of(cached(provider))
}

fn of(keys: CachedKeys<Scripted>) -> (Arc<CachedKeys<Scripted>>, Verifier<User>) {
    let keys = Arc::new(keys);
    (Arc::clone(&keys), verifier_of(keys))
}
