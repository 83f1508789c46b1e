//! `bearer inspect` shows any text without a panic, whatever stands in header and claims.

#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    tower_bearer_cli::inspect_unseen(&text);
    // Header and claims as they are, so that the fuzzer need not learn base64url.
    let (header, claims) = text.split_once('\n').unwrap_or((r#"{"alg":"ES256"}"#, &text));
    let (header, claims) = (URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    tower_bearer_cli::inspect_unseen(&format!("{header}.{claims}.c2ln"));
});
