//! Chooses the issuer of a token: the only one, or one of several that are added and removed at run
//! time.

mod near_miss;

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;

use crate::claims::validation::{Rules, Validation};
use crate::config_error::ConfigError;
use crate::config_error::tenant_template::TenantTemplate;
use crate::error::{AuthError, Reason};
use crate::keys::{BoxKeySource, KeySource, KeysStatus};
use crate::observe::trace::{self, Pace};
use crate::verify::compact::Compact;

/// A set of issuers for one [`Verifier`](crate::Verifier), each with keys and rules of its own.
///
/// A token is checked by the rules of the issuer that it names, and by no others: its keys,
/// audiences, algorithms, type, leeway, roles and scopes. The name is compared exactly before
/// anything else happens, so a token of an unknown issuer causes no fetch. Until the signature is
/// verified, the name chooses among these issuers and does nothing else. If the keys of one issuer
/// are not available, the others are not affected.
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
/// An issuer may be a template with [tenants](Validation::with_tenants). A token whose `iss` is the
/// exact name of an issuer in the set is checked by the rules of that issuer. Any other is checked
/// by those of the longest template that its `iss` fits. [`remove`](Self::remove) takes the template.
///
/// Clones share the same issuers. Tell users apart by issuer and subject together
/// ([`Principal::issuer`](crate::Principal::issuer)): `alice` of one issuer is not `alice` of
/// another.
#[derive(Clone, Default)]
pub struct Issuers(Arc<ArcSwap<IssuerTable>>);

#[derive(Clone, Default)]
struct IssuerTable {
    by_name: HashMap<Box<str>, Arc<IssuerEntry>>,
    /// The issuers with tenants, which are in `by_name` as well. The longest template comes first.
    templates: Vec<Arc<IssuerEntry>>,
    /// The issuer that also accepts tokens without `iss`.
    of_nameless: Option<Arc<IssuerEntry>>,
    /// By the name that [`near_miss::normal`] returns, for hints in the log.
    by_normal_name: HashMap<Box<str>, Arc<IssuerEntry>>,
}

impl Issuers {
    /// Creates a set without issuers, which refuses every token.
    pub fn new() -> Self {
        Self::default()
    }

    /// Accepts tokens of this issuer, from the next request on.
    ///
    /// # Errors
    ///
    /// [`ConfigError::RepeatedIssuer`] when the issuer was added before,
    /// [`ConfigError::RepeatedMissingIssuer`] when it accepts tokens without `iss` and another one
    /// does too, and the errors of [`Verifier::new`](crate::Verifier::new).
    pub fn add(&self, keys: impl KeySource, validation: Validation) -> Result<(), ConfigError> {
        let trusted = Arc::new(IssuerEntry::new(keys, validation)?);
        let before = self.0.rcu(|table| {
            let mut table = IssuerTable::clone(table);
            if table.conflict_with(&trusted).is_none() {
                table.add(&trusted);
            }
            table
        });
        before.conflict_with(&trusted).map_or(Ok(()), Err)
    }

    /// Refuses tokens of this issuer, from the next request on, unless they fit a template with
    /// tenants in the set, which then decides about them. Returns `false` if the issuer was not in the set.
    pub fn remove(&self, issuer: &str) -> bool {
        let before = self.0.rcu(|table| {
            let mut table = IssuerTable::clone(table);
            table.remove(issuer);
            table
        });
        before.by_name.contains_key(issuer)
    }

    /// Returns the names of the issuers, in no order.
    pub fn names(&self) -> Vec<String> {
        self.0.load().by_name.keys().map(ToString::to_string).collect()
    }

    /// Returns whether there is an issuer, and the rules of all are so.
    fn all(&self, is_so: impl Fn(&Rules) -> bool) -> bool {
        let table = self.0.load();
        let mut issuers = table.by_name.values().peekable();
        issuers.peek().is_some() && issuers.all(|trusted| is_so(&trusted.rules))
    }

    /// Reads one issuer, if it is in the set.
    pub(crate) fn look<T>(&self, issuer: &str, look: impl FnOnce(Option<&IssuerEntry>) -> T) -> T {
        look(self.0.load().find(issuer).map(|trusted| &**trusted))
    }

    /// Returns the issuer that a token names, or the one for tokens without `iss`.
    fn choose(&self, token: &mut Compact<'_, '_>) -> Result<Arc<IssuerEntry>, AuthError> {
        let (issuer, table) = (token.unverified_issuer()?, self.0.load());
        let Some(issuer) = issuer else {
            let missing = || AuthError::with_detail(Reason::MissingClaim, "no `iss`");
            return table.of_nameless.clone().ok_or_else(missing);
        };
        table.find(&issuer).cloned().ok_or_else(|| table.unknown(&issuer))
    }

    /// Returns the status of each issuer's key source, sorted by issuer.
    ///
    /// Sources without a status are left out.
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

impl IssuerTable {
    /// Finds the issuer of a token by its exact name, or else by its template.
    #[inline]
    fn find(&self, issuer: &str) -> Option<&Arc<IssuerEntry>> {
        let fits = |entry: &&Arc<IssuerEntry>| {
            entry.rules.template().is_some_and(|template| template.tenant_in(issuer).is_some())
        };
        self.by_name.get(issuer).or_else(|| self.templates.iter().find(fits))
    }

    /// Returns the reason why an issuer cannot be added.
    fn conflict_with(&self, trusted: &IssuerEntry) -> Option<ConfigError> {
        let issuer = trusted.rules.issuer();
        if self.by_name.contains_key(issuer) {
            return Some(ConfigError::RepeatedIssuer { issuer: issuer.to_owned() });
        }
        let other = self.of_nameless.as_ref().filter(|_| trusted.rules.accepts_missing_issuer())?;
        Some(ConfigError::RepeatedMissingIssuer { issuer: other.rules.issuer().to_owned() })
    }

    /// Returns the refusal of a token of an unknown issuer. The log does not repeat the
    /// unauthenticated name.
    #[cold]
    fn unknown(&self, issuer: &str) -> AuthError {
        let near = near_miss::normal(issuer).and_then(|issuer| self.by_normal_name.get(&*issuer));
        let near = near.or_else(|| self.templates.iter().find(|one| one.nearly(issuer).is_some()));
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
        if trusted.rules.template().is_some() {
            self.templates.push(Arc::clone(trusted));
            // Stable: of equally long templates, the one that was added first comes first.
            self.templates.sort_by_key(|entry| Reverse(entry.rules.issuer().len()));
        }
        if trusted.rules.accepts_missing_issuer() {
            self.of_nameless = Some(Arc::clone(trusted));
        }
    }

    fn remove(&mut self, issuer: &str) {
        self.by_name.remove(issuer);
        self.templates.retain(|trusted| trusted.rules.issuer() != issuer);
        self.of_nameless.take_if(|trusted| trusted.rules.issuer() == issuer);
        // Another issuer of nearly the same name may take its place.
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

/// One issuer: its keys, and the rules for its tokens.
pub(crate) struct IssuerEntry {
    /// A number that no other issuer has had, removed issuers included.
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

    /// Reports, at most once a minute, that the `iss` of a refused token is nearly this issuer.
    #[cold]
    pub(crate) fn report_near_miss(&self, sent: &str) {
        let configured = self.rules.issuer();
        if sent != configured
            && let Some(near) = self.nearly(sent)
            && *near != *sent
            && let Some(suppressed) = self.near_misses.ask("near_miss", "")
        {
            trace::near_miss(configured, near_miss::difference(&near, sent), suppressed);
        }
    }

    /// Returns the issuer that a name in a token nearly is: this one, or that of one of its tenants.
    fn nearly(&self, sent: &str) -> Option<Cow<'_, str>> {
        let configured = self.rules.issuer();
        let (sent, own) = (near_miss::normal(sent)?, near_miss::normal(configured)?);
        let Some(template) = self.rules.template() else {
            return (sent == own).then_some(Cow::from(configured));
        };
        let near = TenantTemplate::parse(&own).ok()??;
        Some(Cow::from(template.issuer_of(near.tenant_in(&sent)?)))
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }
}

/// The issuers that a verifier trusts.
#[derive(Clone)]
pub(crate) enum IssuerSet {
    One(Arc<IssuerEntry>),
    Several(Issuers),
}

impl IssuerSet {
    /// Returns whether there is an issuer, and the rules of all are so.
    pub(crate) fn all(&self, is_so: impl Fn(&Rules) -> bool) -> bool {
        match self {
            Self::One(trusted) => is_so(&trusted.rules),
            Self::Several(issuers) => issuers.all(is_so),
        }
    }

    /// Returns the names of the issuers, sorted.
    #[cfg(feature = "metadata")]
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names = match self {
            Self::One(trusted) => vec![trusted.rules.issuer().to_owned()],
            Self::Several(issuers) => issuers.names(),
        };
        names.sort_unstable();
        names
    }

    /// Returns the issuer whose rules apply to this token.
    pub(crate) fn choose(&self, token: &mut Compact<'_, '_>) -> Result<Chosen<'_>, AuthError> {
        match self {
            // `iss` is checked later, with the other claims.
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

/// The issuer of one token.
pub(crate) enum Chosen<'t> {
    One(&'t IssuerEntry),
    Of(Arc<IssuerEntry>),
}

impl Chosen<'_> {
    /// Returns whether both are the same issuer, and not merely of the same name.
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
