//! Tests claims, and the rules for them.

mod audiences;
mod authorization_details;
mod delegation;
mod fapi2;
mod hierarchies;
mod kinds;
mod missing_claims;
mod other_providers;
mod presets;
mod reserved_names;
mod roles;
mod sign_ins;
mod trust;
mod tenants;
