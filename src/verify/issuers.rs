//! Whose tokens are believed: one issuer, or several that come and go.

mod near_miss;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;

use crate::claims::validation::{Rules, Validation};
use crate::config_error::ConfigError;
use crate::error::{AuthError, Reason};
use crate::keys::{BoxKeySource, KeySource, KeysStatus};
use crate::observe::trace::{self, Pace};
use crate::verify::compact::Compact;

/// Several issuers for one [`Verifier`](crate::Verifier), each with keys and rules of its own.
///
/// A token is judged by the rules of the issuer it names, and by no others: its keys, audiences,
/// algorithms, type, leeway, roles and scopes. The name is matched to the letter before anything else
/// happens, so a token of a stranger costs no fetch; until the signature has been verified it chooses
/// among these issuers and does nothing more. If the keys of one cannot be had, the others do not
/// notice.
///
/// ```
/// use tower_bearer::validation::Preset;
/// use tower_bearer::{Issuers, Validation, Verifier};
/// # use tower_bearer::keys::VerifyingKey;
/// # use tower_bearer::Algorithm;
/// # let key = || VerifyingKey::from_secret(Algorithm::HS256, "at least 32 bytes of randomness, please").unwrap();
/// # let (staff_keys, customer_keys, partner_keys) = (key(), key(), key());
/// let issuers = Issuers::new();
/// issuers.add(
///     staff_keys,
///     Validation::new("https://login.example.com/realms/staff", "orders-api")
///         .with_preset(Preset::Keycloak),
/// )?;
/// issuers.add(customer_keys, Validation::new("https://id.example.com", "https://api.example.com"))?;
/// let verifier = Verifier::<serde_json::Value>::multi_issuer(&issuers);
///
/// // Later, while requests are served:
/// issuers.add(partner_keys, Validation::new("https://partner.example.net", "orders-api"))?;
/// issuers.remove("https://login.example.com/realms/staff");
/// # Ok::<(), tower_bearer::ConfigError>(())
/// ```
///
/// Clones are the same issuers. Whoever tells users apart must do so by issuer and subject together
/// ([`Principal::issuer`](crate::Principal::issuer)): `alice` of one is not `alice` of another.
#[derive(Clone, Default)]
pub struct Issuers(Arc<ArcSwap<Table>>);

#[derive(Clone, Default)]
struct Table {
    by_name: HashMap<Box<str>, Arc<IssuerEntry>>,
    /// The one that also accepts tokens that name no issuer.
    of_nameless: Option<Arc<IssuerEntry>>,
    /// By name as [`near_miss::normal`] spells it, for hints in the log.
    by_normal_name: HashMap<Box<str>, Arc<IssuerEntry>>,
}

impl Issuers {
    /// No issuers yet: every token is refused.
    pub fn new() -> Self {
        Self::default()
    }

    /// Believes the tokens of this issuer, from the next request on.
    ///
    /// # Errors
    ///
    /// [`ConfigError::RepeatedIssuer`] when it is here already, [`ConfigError::RepeatedMissingIssuer`] when
    /// it accepts tokens without `iss` and another does too, and those of
    /// [`Verifier::new`](crate::Verifier::new).
    pub fn add(&self, keys: impl KeySource, validation: Validation) -> Result<(), ConfigError> {
        let trusted = Arc::new(IssuerEntry::new(keys, validation)?);
        let before = self.0.rcu(|table| {
            let mut table = Table::clone(table);
            if table.conflict_with(&trusted).is_none() {
                table.add(&trusted);
            }
            table
        });
        before.conflict_with(&trusted).map_or(Ok(()), Err)
    }

    /// Believes no token of this issuer any more, from the next request on. `false` if it was not
    /// here.
    pub fn remove(&self, issuer: &str) -> bool {
        let before = self.0.rcu(|table| {
            let mut table = Table::clone(table);
            table.remove(issuer);
            table
        });
        before.by_name.contains_key(issuer)
    }

    /// The issuers, in no order.
    pub fn names(&self) -> Vec<String> {
        self.0.load().by_name.keys().map(ToString::to_string).collect()
    }

    /// Looks at one of them, if it is believed.
    pub(crate) fn look<T>(&self, issuer: &str, look: impl FnOnce(Option<&IssuerEntry>) -> T) -> T {
        look(self.0.load().by_name.get(issuer).map(|trusted| &**trusted))
    }

    /// The one that a token names, or that has those that name none.
    fn choose(&self, token: &mut Compact<'_, '_>) -> Result<Arc<IssuerEntry>, AuthError> {
        let (issuer, table) = (token.unverified_issuer()?, self.0.load());
        let Some(issuer) = issuer else {
            let missing = || AuthError::with_detail(Reason::MissingClaim, "no `iss`");
            return table.of_nameless.clone().ok_or_else(missing);
        };
        table.by_name.get(&*issuer).cloned().ok_or_else(|| table.unknown(&issuer))
    }

    /// How the key source of each issuer is doing, sorted by issuer.
    ///
    /// Sources that cannot tell are left out.
    pub fn status(&self) -> Vec<(String, KeysStatus)> {
        let table = self.0.load();
        let mut all = Vec::with_capacity(table.by_name.len());
        for (issuer, trusted) in &table.by_name {
            all.extend(trusted.keys.keys_status().map(|status| (issuer.to_string(), status)));
        }
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        all
    }
}

impl fmt::Debug for Issuers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = self.0.load();
        let rules = table.by_name.iter().map(|(issuer, one)| (issuer, &one.rules));
        f.debug_map().entries(rules).finish()
    }
}

impl Table {
    /// Why an issuer cannot be added.
    fn conflict_with(&self, trusted: &IssuerEntry) -> Option<ConfigError> {
        let issuer = trusted.rules.issuer();
        if self.by_name.contains_key(issuer) {
            return Some(ConfigError::RepeatedIssuer { issuer: issuer.to_owned() });
        }
        let other = self.of_nameless.as_ref().filter(|_| trusted.rules.accepts_missing_issuer())?;
        Some(ConfigError::RepeatedMissingIssuer { issuer: other.rules.issuer().to_owned() })
    }

    /// Why a token of an unknown issuer is refused. Whatever a stranger has written there, the log does not
    /// repeat it.
    #[cold]
    fn unknown(&self, issuer: &str) -> AuthError {
        let near = near_miss::normal(issuer).and_then(|issuer| self.by_normal_name.get(&*issuer));
        let detail = match near {
            None => "`iss` is none of the configured issuers".into(),
            Some(trusted) => {
                trusted.report_near_miss(issuer);
                let configured = trusted.rules.issuer();
                Cow::from(format!(
                    "`iss` is none of the configured issuers, but nearly {configured:?}"
                ))
            }
        };
        AuthError::with_detail(Reason::WrongIssuer, detail)
    }

    fn add(&mut self, trusted: &Arc<IssuerEntry>) {
        self.by_name.insert(trusted.rules.issuer().into(), Arc::clone(trusted));
        self.add_normal(trusted);
        if trusted.rules.accepts_missing_issuer() {
            self.of_nameless = Some(Arc::clone(trusted));
        }
    }

    fn remove(&mut self, issuer: &str) {
        self.by_name.remove(issuer);
        self.of_nameless.take_if(|trusted| trusted.rules.issuer() == issuer);
        // Another of nearly the same name may take the place.
        self.by_normal_name.clear();
        self.by_name
            .values()
            .cloned()
            .collect::<Vec<_>>()
            .iter()
            .for_each(|one| self.add_normal(one));
    }

    fn add_normal(&mut self, trusted: &Arc<IssuerEntry>) {
        if let Some(name) = near_miss::normal(trusted.rules.issuer()) {
            self.by_normal_name.entry(name.into()).or_insert_with(|| Arc::clone(trusted));
        }
    }
}

/// One issuer: where its keys are, and what its tokens must say.
pub(crate) struct IssuerEntry {
    /// No other has had it, not even one that is gone.
    number: u64,
    pub(crate) keys: BoxKeySource,
    pub(crate) rules: Rules,
    near_misses: Pace,
}

impl IssuerEntry {
    pub(crate) fn new(keys: impl KeySource, validation: Validation) -> Result<Self, ConfigError> {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let rules = validation.into_rules()?;
        Ok(Self { number, keys: keys.boxed(), rules, near_misses: Pace::default() })
    }

    /// Tells the operator, once a minute, if `iss` of a token that was refused is nearly this issuer.
    #[cold]
    pub(crate) fn report_near_miss(&self, sent: &str) {
        let configured = self.rules.issuer();
        let is_near = || {
            near_miss::normal(sent).is_some_and(|sent| near_miss::normal(configured) == Some(sent))
        };
        if sent != configured
            && is_near()
            && let Some(suppressed) = self.near_misses.ask("near_miss", "")
        {
            trace::near_miss(configured, near_miss::difference(configured, sent), suppressed);
        }
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }
}

/// Whose tokens a verifier believes.
#[derive(Clone)]
pub(crate) enum IssuerSet {
    One(Arc<IssuerEntry>),
    Several(Issuers),
}

impl IssuerSet {
    /// The issuer by whose rules this token is judged.
    pub(crate) fn choose(&self, token: &mut Compact<'_, '_>) -> Result<Chosen<'_>, AuthError> {
        match self {
            // What `iss` says is checked with the other claims.
            Self::One(trusted) => Ok(Chosen::One(trusted)),
            Self::Several(issuers) => match issuers.choose(token) {
                Ok(trusted) => Ok(Chosen::Of(trusted)),
                Err(error) => Err(error.before_signature()),
            },
        }
    }
}

impl fmt::Debug for IssuerSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(trusted) => fmt::Debug::fmt(&trusted.rules, f),
            Self::Several(issuers) => fmt::Debug::fmt(issuers, f),
        }
    }
}

/// The issuer that was chosen for one token.
pub(crate) enum Chosen<'t> {
    One(&'t IssuerEntry),
    Of(Arc<IssuerEntry>),
}

impl Chosen<'_> {
    /// Whether both are one and not merely of one name.
    pub(crate) fn is(&self, other: &Self) -> bool {
        let (one, other): (&IssuerEntry, &IssuerEntry) = (self, other);
        std::ptr::eq(one, other)
    }
}

impl Deref for Chosen<'_> {
    type Target = IssuerEntry;

    fn deref(&self) -> &IssuerEntry {
        match self {
            Self::One(trusted) => trusted,
            Self::Of(trusted) => trusted,
        }
    }
}
