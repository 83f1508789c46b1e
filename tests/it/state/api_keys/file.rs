use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tower_bearer::ConfigError;
use tower_bearer::api_key::{ApiKey, ApiKeyPrefix, ApiKeySource as _, FileApiKeys};

use super::contract::at;
use crate::support::log::Log;

struct File(PathBuf);

impl File {
    fn with(text: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("tower-bearer-{}-api-keys-{number}.toml", std::process::id());
        let file = Self(std::env::temp_dir().join(name));
        file.write(text);
        file
    }

    fn write(&self, text: &str) {
        let new = self.0.with_extension("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, &self.0).unwrap();
    }
}

impl Drop for File {
    fn drop(&mut self) {
        _ = std::fs::remove_file(&self.0);
    }
}

fn key() -> ApiKey {
    ApiKey::generate(&ApiKeyPrefix::new("acme").unwrap()).unwrap()
}

fn entry(key: &ApiKey, owner: &str) -> String {
    let (id, hash) = (key.id(), key.hash().unwrap().to_hex());
    format!("[[keys]]\nid = \"{id}\"\nsha256 = \"{hash}\"\nowner = \"{owner}\"\n")
}

/// Far longer than a test, so that only `reload` reads.
const NEVER: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn keys_change_all_at_once_and_void_what_is_kept() {
    let (first, second) = (key(), key());
    let file = File::with(&entry(&first, "ci"));
    let keys = FileApiKeys::open_with(&file.0, NEVER).unwrap();
    let generation = keys.generation();
    assert_eq!(keys.find(first.id()).await.unwrap().unwrap().owner, "ci");
    assert_eq!(keys.find(second.id()).await.unwrap(), None);
    keys.reload().await.unwrap();
    assert_eq!(keys.generation(), generation, "the file is the same");

    file.write(&entry(&second, "deploy"));
    keys.reload().await.unwrap();

    assert_ne!(keys.generation(), generation);
    assert_eq!(keys.find(first.id()).await.unwrap(), None);
    assert_eq!(keys.clone().find(second.id()).await.unwrap().unwrap().owner, "deploy");
    assert_eq!(keys.len(), 1);
}

#[tokio::test]
async fn file_with_a_mistake_replaces_nothing_and_is_reported() {
    let ((log, _guard), key) = (Log::of_this_thread(), key());
    let file = File::with(&entry(&key, "ci"));
    let keys = FileApiKeys::open_with(&file.0, NEVER).unwrap();
    let generation = keys.generation();

    for bad in [entry(&key, "a") + &entry(&key, "b"), "[[keys]]\nid = 1".into(), "\0".into()] {
        file.write(&bad);
        assert!(keys.reload().await.is_err());

        assert_eq!(keys.get(key.id()).unwrap().owner, "ci");
        assert_eq!(keys.generation(), generation);
    }
    std::fs::remove_file(&file.0).unwrap();
    assert!(keys.reload().await.is_err());
    assert_eq!(keys.get(key.id()).unwrap().owner, "ci");

    let [(level, _), ..] = &log.about("twice")[..] else { panic!("{:?}", log.events()) };
    assert_eq!(*level, tracing::Level::WARN);
    assert!(!format!("{:?}", log.events()).contains(key.as_str()));
}

#[tokio::test]
async fn file_that_cannot_be_read_at_the_start_is_a_config_error() {
    let file = File::with("[[keys]]\nid = \"x\"\nsha256 = \"\"\nowner = \"a\"\n");

    let refused = FileApiKeys::open(&file.0).unwrap_err();
    let missing = FileApiKeys::open("/no/such/file").unwrap_err();

    let ConfigError::Configuration { path, .. } = &refused else { panic!("{refused:?}") };
    assert_eq!(path, "keys[0].id");
    assert!(matches!(&missing, ConfigError::UnreadableFile { .. }), "{missing:?}");
    file.write("");
    assert!(FileApiKeys::open(&file.0).unwrap().is_empty());
}

#[tokio::test]
async fn last_use_is_kept_in_memory() {
    let key = key();
    let file = File::with(&entry(&key, "ci"));
    let keys = FileApiKeys::open_with(&file.0, NEVER).unwrap();

    let uses = [(key.id().to_owned(), at(5)), ("none".to_owned(), at(5))];
    keys.record_uses(&uses).await.unwrap();
    keys.record_uses(&[(key.id().to_owned(), at(4))]).await.unwrap();

    assert_eq!(keys.get(key.id()).unwrap().last_used, Some(at(5)));
    assert_eq!(keys.get("none"), None);
}
