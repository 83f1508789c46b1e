use serde_json::Value;
use tower_bearer::{Algorithm, SigningKey};

use super::args::MintArgs;
use super::parts::Parts;
use crate::failure::Failure;
use crate::input;
use crate::keys::{Key, KeyFile, for_algorithm};

/// The key that signs, with the name that the header gives it.
pub(super) struct MintKey {
    pub(super) key: SigningKey,
    key_id: Option<String>,
}

impl MintKey {
    /// Reads the key that the arguments name, if they name one.
    pub(super) fn load(
        args: &MintArgs,
        parts: &Parts,
        wanted: Option<(Algorithm, Option<&str>)>,
    ) -> Result<Option<Self>, Failure> {
        let Some((key, names_itself, names_algorithm)) = read(args)? else { return Ok(None) };
        let text = |name| parts.header.get(name).and_then(Value::as_str);
        // A key in PEM is for several algorithms: then the token of --like chooses.
        let liked = text("alg").and_then(|name| name.parse().ok());
        let liked =
            liked.filter(|_| args.like.is_some() && args.algorithm.is_none() && !names_algorithm);
        let key = match (wanted, liked) {
            (Some((wanted, _)), _) => for_wanted(&key, wanted)?,
            (None, Some(liked)) => for_algorithm(&key, liked).unwrap_or(key),
            (None, None) => key,
        };
        let own = key.key_id().map(str::to_owned);
        let key_id = match (wanted.and_then(|(_, key_id)| key_id), &args.key_id) {
            (_, Some(key_id)) => Some(key_id.clone()),
            (Some(key_id), None) => Some(key_id.to_owned()),
            (None, None) if names_itself => own,
            (None, None) => text("kid").map(str::to_owned).filter(|_| args.like.is_some()).or(own),
        };
        Ok(Some(Self { key, key_id }))
    }

    /// Writes algorithm and key id into the header.
    pub(super) fn name_in(&self, parts: &mut Parts, is_nameless: bool) {
        parts.set_header("alg", self.key.algorithm().as_str());
        parts.header.remove("kid");
        if let Some(key_id) = self.key_id.as_deref().filter(|_| !is_nameless) {
            parts.set_header("kid", key_id);
        }
    }
}

/// Returns the key, whether it has a name, and whether it names its algorithm.
fn read(args: &MintArgs) -> Result<Option<(SigningKey, bool, bool)>, Failure> {
    if let Some(path) = &args.secret_file {
        let secret = input::read_secret(path)?;
        let algorithm = args.algorithm.unwrap_or(Algorithm::HS256);
        let key = SigningKey::from_secret(algorithm, &*secret).map_err(|error| {
            Failure::new(error).with_hint(
                "the bytes of the file are the secret; for one in base64url use --key FILE --algorithm HS256",
            )
        })?;
        return Ok(Some((key, false, args.algorithm.is_some())));
    }
    let Some(path) = &args.key else { return Ok(None) };
    let file = KeyFile::read(path, args.algorithm)?;
    let (names_keys, names_algorithm) = (file.names_keys, file.names_algorithm);
    match file.single(path)? {
        Key::Private(key) => Ok(Some((key, names_keys, names_algorithm))),
        Key::Public(_) => Err(Failure::new(format_args!(
            "{} holds a public key, which cannot sign",
            path.display()
        ))
        .with_hint("give the private key; `bearer keys generate` makes one for tests")),
    }
}

fn for_wanted(key: &SigningKey, algorithm: Algorithm) -> Result<SigningKey, Failure> {
    let of_key = |problem: String| {
        Failure::new(format_args!(
            "the change asks for a key for {algorithm}, and this one is not: {problem}"
        ))
        .with_hint("give the key that the verifier knows")
    };
    if algorithm == key.algorithm() {
        return Ok(key.clone());
    }
    for_algorithm(key, algorithm).map_err(of_key)
}
