//! Tests each place where applications put code of their own, from its other side.

mod authenticators;
mod bindings;
mod fallback;
mod kept_answers;
mod policies;
mod policy_requests;
mod rendered_requests;
mod schemes;
mod sources;
