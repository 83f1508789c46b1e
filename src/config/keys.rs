use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::path::ConfigPath;
use super::read;
use super::text::{DurationText, InlineJwks, ProxyUrl, Secret};
use crate::config_error::tenant_template::TenantTemplate;
use crate::config_error::{ConfigError, KeyProblem};
use crate::jose::Algorithm;
use crate::keys::{
    BoxKeySource, CachedKeys, DangerousFetch, EffectiveFetch, Fetch, FetchBudget, FileKeys,
    HttpFetch, KeyFile, KeySet, KeySource as _, RemoteKeys, VerifyingKey,
};
use crate::refresh::MAX_LOAD_TIME;

/// The source of an issuer's keys: exactly one of the first seven members, and how it is fetched.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct KeysConfig {
    /// Finds the keys by the issuer's metadata.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) discover: Option<bool>,
    /// Finds the keys by the issuer's metadata at this address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) metadata_url: Option<String>,
    /// The issuer that the metadata names, if tokens name another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) metadata_issuer: Option<String>,
    /// The address of a JWK set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) jwks_url: Option<String>,
    /// The path of a JWK set or PEM file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file: Option<PathBuf>,
    /// A JWK set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) jwks: Option<InlineJwks>,
    /// An HMAC secret in base64url.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) secret: Option<Secret>,
    /// A file with an HMAC secret in base64url.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) secret_file: Option<PathBuf>,

    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) timeout: Option<DurationText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) redirects: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) same_origin_only: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max_bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max_keys: Option<usize>,
    /// Authorities in PEM, besides those of the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ca_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) proxy: Option<ProxyUrl>,
    /// A file with a bearer token to send with each fetch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bearer_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) dangerous: Vec<FetchSwitch>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) wait: Option<DurationText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) most_waiting: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) budget: Option<BudgetConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fresh_at_least: Option<DurationText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fresh_at_most: Option<DurationText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fresh_by_default: Option<DurationText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stale_for: Option<DurationText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) retry_at_least: Option<DurationText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) retry_at_most: Option<DurationText>,
    /// The interval between two looks at a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) every: Option<DurationText>,
}

/// A switch that weakens the checks of fetches; see
/// [`DangerousFetch`](crate::keys::DangerousFetch).
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FetchSwitch {
    AllowPlainHttp,
    AllowPrivateNetworks,
}

/// Bounds the fetches that tokens with unknown keys can cause.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BudgetConfig {
    pub(super) fetches: u32,
    pub(super) one_more_every: DurationText,
}

/// The keys of one configured issuer.
pub(super) struct ConfiguredKeys {
    pub(super) source: BoxKeySource,
    /// The reason why the secret can be guessed, if it can.
    pub(super) short_secret: Option<ShortSecret>,
    /// The configuration with all defaults written out.
    pub(super) effective: KeysConfig,
}

pub(super) struct ShortSecret {
    pub(super) algorithm: Algorithm,
    pub(super) problem: KeyProblem,
}

impl KeysConfig {
    /// Builds the key source. `place` is the place of the issuer, for errors.
    pub(super) fn build(
        &self,
        place: &ConfigPath,
        issuer: &str,
        algorithms: Option<&[Algorithm]>,
        may_be_short: bool,
        shared: &FetchBudget,
    ) -> Result<ConfiguredKeys, ConfigError> {
        let (of_issuer, place) = (place, &place.member("keys"));
        self.check_members(place)?;
        if may_be_short && self.secret.is_none() && self.secret_file.is_none() {
            let problem = "`accept_short_secret` means nothing for keys that are no `secret`";
            return Err(of_issuer.member("dangerous").wrong(problem));
        }
        let secret_keys = |secret: &str| self.secret_keys(secret, algorithms, may_be_short);
        self.check_limits(place)?;
        let dangerous = self.switched();
        if let Some(url) = &self.jwks_url {
            let fetch = place.member("jwks_url").check(dangerous.from_url(url))?;
            return self.remote(place, fetch, algorithms, shared);
        }
        if let Some(path) = &self.file {
            return place.member("file").check(self.open(path, algorithms, shared));
        }
        if let Some(jwks) = &self.jwks {
            let text = jwks.text();
            let keys = match algorithms {
                Some(algorithms) => KeySet::from_jwks_for(&*text, algorithms),
                None => KeySet::from_jwks(&*text),
            };
            return place.member("jwks").check(keys).map(|keys| self.fixed(keys, None));
        }
        if let Some(Secret(secret)) = &self.secret {
            let keys = secret_keys(secret);
            return place.member("secret").check(keys);
        }
        if let Some(path) = &self.secret_file {
            let keys = read::file(path).and_then(|secret| secret_keys(secret.trim()));
            return place.member("secret_file").check(keys);
        }
        // The issuer of several tenants is no address.
        let fetch = match (&self.metadata_url, &self.metadata_issuer) {
            (Some(url), None) if TenantTemplate::is_in(issuer) => {
                place.member("metadata_url").check(dangerous.discover_at(issuer, url))?
            }
            (url, of_metadata) => {
                let fetch = match of_metadata {
                    Some(issuer) => {
                        place.member("metadata_issuer").check(dangerous.discover(issuer))
                    }
                    None => of_issuer.member("issuer").check(dangerous.discover(issuer)),
                }?;
                match url {
                    Some(url) => {
                        place.member("metadata_url").check(fetch.with_metadata_url(url))?
                    }
                    None => fetch,
                }
            }
        };
        self.remote(place, fetch, algorithms, shared)
    }

    /// Keys that never change, for which nothing has a default.
    fn fixed(&self, keys: KeySet, short_secret: Option<ShortSecret>) -> ConfiguredKeys {
        ConfiguredKeys { source: keys.boxed(), short_secret, effective: self.clone() }
    }

    /// Checks that there is one source, and that it heeds every member that is set.
    fn check_members(&self, place: &ConfigPath) -> Result<(), ConfigError> {
        let sources = [
            ("discover", self.discover == Some(true)),
            ("metadata_url", self.metadata_url.is_some()),
            ("jwks_url", self.jwks_url.is_some()),
            ("file", self.file.is_some()),
            ("jwks", self.jwks.is_some()),
            ("secret", self.secret.is_some()),
            ("secret_file", self.secret_file.is_some()),
        ];
        let mut given = sources.iter().filter(|(_, given)| *given).map(|(name, _)| *name);
        let source = match (given.next(), given.next()) {
            (Some(source), None) => source,
            (None, _) => {
                let names = sources.map(|(name, _)| name).join(", ");
                return Err(place.wrong(format!("give one of {names}")));
            }
            (Some(one), Some(other)) => {
                return Err(place.wrong(format!("{one} and {other} are both given; leave one out")));
            }
        };
        let of_remote = [
            ("timeout", self.timeout.is_some()),
            ("redirects", self.redirects.is_some()),
            ("same_origin_only", self.same_origin_only.is_some()),
            ("max_bytes", self.max_bytes.is_some()),
            ("max_keys", self.max_keys.is_some()),
            ("ca_file", self.ca_file.is_some()),
            ("proxy", self.proxy.is_some()),
            ("bearer_file", self.bearer_file.is_some()),
            ("dangerous", !self.dangerous.is_empty()),
            ("fresh_at_least", self.fresh_at_least.is_some()),
            ("fresh_at_most", self.fresh_at_most.is_some()),
            ("fresh_by_default", self.fresh_by_default.is_some()),
            ("stale_for", self.stale_for.is_some()),
            ("retry_at_least", self.retry_at_least.is_some()),
            ("retry_at_most", self.retry_at_most.is_some()),
        ];
        let of_fetched = [
            ("wait", self.wait.is_some()),
            ("most_waiting", self.most_waiting.is_some()),
            ("budget", self.budget.is_some()),
        ];
        let of_file = [("every", self.every.is_some())];
        let of_metadata = [("metadata_issuer", self.metadata_issuer.is_some())];
        let useless = match source {
            "discover" | "metadata_url" => of_file.to_vec(),
            "jwks_url" => [&of_metadata[..], &of_file].concat(),
            "file" => [&of_metadata[..], &of_remote].concat(),
            _ => [&of_metadata[..], &of_remote, &of_fetched, &of_file].concat(),
        };
        match useless.iter().find(|(_, given)| *given) {
            Some((name, _)) => {
                Err(place.member(name).wrong(format!("means nothing for keys by `{source}`")))
            }
            None => Ok(()),
        }
    }

    /// Refuses durations and limits with which nothing could work, or that another limit cuts
    /// short.
    fn check_limits(&self, place: &ConfigPath) -> Result<(), ConfigError> {
        for (name, span) in [
            ("timeout", self.timeout),
            ("fresh_at_least", self.fresh_at_least),
            ("retry_at_least", self.retry_at_least),
            ("every", self.every),
        ] {
            if span.is_some_and(|DurationText(span)| span.is_zero()) {
                return Err(place.member(name).wrong("is zero"));
            }
        }
        for (name, limit) in [("max_bytes", self.max_bytes), ("max_keys", self.max_keys)] {
            if limit == Some(0) {
                return Err(place.member(name).wrong("is zero"));
            }
        }
        if self.timeout.is_some_and(|DurationText(timeout)| timeout > MAX_LOAD_TIME) {
            let problem = format!("is more than the {MAX_LOAD_TIME:?} that a fetch may take");
            return Err(place.member("timeout").wrong(problem));
        }
        Ok(())
    }

    fn switched(&self) -> DangerousFetch {
        self.dangerous.iter().fold(HttpFetch::dangerous(), |fetch, switch| match switch {
            FetchSwitch::AllowPlainHttp => fetch.allow_plain_http(),
            FetchSwitch::AllowPrivateNetworks => fetch.allow_private_networks(),
        })
    }

    fn remote(
        &self,
        place: &ConfigPath,
        mut fetch: HttpFetch,
        algorithms: Option<&[Algorithm]>,
        shared: &FetchBudget,
    ) -> Result<ConfiguredKeys, ConfigError> {
        if let Some(algorithms) = algorithms {
            fetch = fetch.with_algorithms(algorithms.iter().copied());
        }
        if let Some(DurationText(timeout)) = self.timeout {
            fetch = fetch.with_timeout(timeout);
        }
        if let Some(most) = self.redirects {
            fetch = fetch.with_redirects(most);
        }
        if self.same_origin_only == Some(true) {
            fetch = fetch.with_same_origin_only();
        }
        if let Some(bytes) = self.max_bytes {
            fetch = fetch.with_max_bytes(bytes);
        }
        if let Some(keys) = self.max_keys {
            fetch = fetch.with_max_keys(keys);
        }
        if let Some(ProxyUrl(url)) = &self.proxy {
            fetch = place.member("proxy").check(fetch.with_proxy(url))?;
        }
        if let Some(path) = &self.ca_file {
            let pem = read::file(path);
            let trusting = pem.and_then(|pem| fetch.with_root_certificates(pem.as_bytes()));
            fetch = place.member("ca_file").check(trusting)?;
        }
        if let Some(path) = &self.bearer_file {
            fetch = place.member("bearer_file").check(fetch.with_bearer_file(path))?;
        }
        let mut keys = self.fetched(CachedKeys::new(fetch), shared);
        let usual = keys.effective();
        let fresh = self.fresh_at_least.map_or(*usual.fresh_between.start(), |span| span.0)
            ..=self.fresh_at_most.map_or(*usual.fresh_between.end(), |span| span.0);
        let retry = self.retry_at_least.map_or(*usual.retry_between.start(), |span| span.0)
            ..=self.retry_at_most.map_or(*usual.retry_between.end(), |span| span.0);
        for (name, range) in [("fresh_at_least", &fresh), ("retry_at_least", &retry)] {
            if range.is_empty() {
                return Err(place.member(name).wrong("is more than what is set as the most"));
            }
        }
        if let Some(DurationText(fresh_for)) = self.fresh_by_default {
            if !fresh.contains(&fresh_for) {
                let problem = "lies outside of fresh_at_least and fresh_at_most";
                return Err(place.member("fresh_by_default").wrong(problem));
            }
            keys = keys.with_default_freshness(fresh_for);
        }
        keys = keys.with_freshness_between(fresh).with_backoff(retry);
        if let Some(DurationText(stale_for)) = self.stale_for {
            keys = keys.with_stale_if_error(stale_for);
        }
        let effective = self.effective_remote(&keys);
        Ok(ConfiguredKeys { source: keys.boxed(), short_secret: None, effective })
    }

    fn open(
        &self,
        path: &std::path::Path,
        algorithms: Option<&[Algorithm]>,
        shared: &FetchBudget,
    ) -> Result<ConfiguredKeys, ConfigError> {
        let mut file = KeyFile::new(path);
        if let Some(algorithms) = algorithms {
            file = file.with_algorithms(algorithms.iter().copied());
        }
        if let Some(DurationText(every)) = self.every {
            file = file.with_poll_interval(every);
        }
        let keys = self.fetched(file.open()?, shared);
        let effective = self.effective_file(&keys);
        Ok(ConfiguredKeys { source: keys.boxed(), short_secret: None, effective })
    }

    /// Applies the settings that all fetched documents share.
    fn fetched<F: Fetch>(&self, keys: CachedKeys<F>, shared: &FetchBudget) -> CachedKeys<F> {
        let mut keys = keys.with_shared_budget(shared.clone());
        if let Some(DurationText(wait)) = self.wait {
            keys = keys.with_wait(wait);
        }
        if let Some(requests) = self.most_waiting {
            keys = keys.with_max_waiting(requests);
        }
        if let Some(BudgetConfig { fetches, one_more_every }) = self.budget {
            keys = keys.with_fetch_budget(fetches, one_more_every.0);
        }
        keys
    }

    fn secret_keys(
        &self,
        secret: &str,
        algorithms: Option<&[Algorithm]>,
        may_be_short: bool,
    ) -> Result<ConfiguredKeys, ConfigError> {
        let algorithms = algorithms.unwrap_or_default();
        if algorithms.is_empty() {
            return Err(ConfigError::Key(KeyProblem::SecretWithoutAlgorithm));
        }
        if may_be_short {
            return self.short_secret_keys(secret, algorithms);
        }
        let key = |algorithm: &Algorithm| VerifyingKey::from_base64url_secret(*algorithm, secret);
        let keys = algorithms.iter().map(key).collect::<Result<_, _>>()?;
        Ok(self.fixed(keys, None))
    }

    fn short_secret_keys(
        &self,
        secret: &str,
        algorithms: &[Algorithm],
    ) -> Result<ConfiguredKeys, ConfigError> {
        let secret = VerifyingKey::decode_secret(secret)?;
        let (mut keys, mut short_secret) = (Vec::new(), None);
        for &algorithm in algorithms {
            let (key, problem) = VerifyingKey::of_any_secret(algorithm, &secret)?;
            keys.push(key);
            short_secret =
                short_secret.or(problem.map(|problem| ShortSecret { algorithm, problem }));
        }
        Ok(self.fixed(keys.into_iter().collect(), short_secret))
    }

    fn effective_remote(&self, keys: &RemoteKeys) -> Self {
        let mut all = self.effective_fetched(keys);
        let EffectiveFetch { timeout, redirects, max_bytes, max_keys, same_origin_only } =
            keys.fetcher().effective();
        all.timeout = Some(DurationText(timeout));
        all.redirects = Some(redirects);
        all.max_bytes = Some(max_bytes);
        all.max_keys = Some(max_keys);
        all.same_origin_only = Some(same_origin_only);
        let usual = keys.effective();
        let (least, most) = usual.fresh_between.into_inner();
        (all.fresh_at_least, all.fresh_at_most) =
            (Some(DurationText(least)), Some(DurationText(most)));
        let (least, most) = usual.retry_between.into_inner();
        (all.retry_at_least, all.retry_at_most) =
            (Some(DurationText(least)), Some(DurationText(most)));
        all.fresh_by_default = Some(DurationText(usual.fresh_by_default));
        all.stale_for = Some(DurationText(usual.stale_for));
        all
    }

    fn effective_file(&self, keys: &FileKeys) -> Self {
        let every = *keys.effective().fresh_between.start();
        Self { every: Some(DurationText(every)), ..self.effective_fetched(keys) }
    }

    fn effective_fetched<F>(&self, keys: &CachedKeys<F>) -> Self {
        let usual = keys.effective();
        let (fetches, one_more_every) = usual.budget;
        Self {
            wait: Some(DurationText(usual.wait)),
            most_waiting: Some(usual.most_waiting),
            budget: Some(BudgetConfig { fetches, one_more_every: DurationText(one_more_every) }),
            ..self.clone()
        }
    }
}

impl Default for BudgetConfig {
    fn default() -> Self {
        Self { fetches: 60, one_more_every: DurationText(Duration::from_secs(1)) }
    }
}
