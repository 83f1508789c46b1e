//! The places where later capabilities and strangers put code of their own, each from its other side.

mod authenticators;
// mod bindings;
mod policies;
mod rendered_requests;
mod schemes;
mod sources;
