//! Reports to operators: log events.

pub(crate) mod trace;
