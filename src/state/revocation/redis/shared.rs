//! Keeps the state that requests, the worker and operators share.
//!
//! Readiness is one number: the moment up to which no revocation can be missing here. An answer to the blocking
//! read moves it to when the read was sent, because a suspended node finds an old answer in its socket. A full
//! page is a backlog and does not move it. Nothing has to happen for the view to become not ready, so a dead
//! worker, a stopped Redis and a cut cable are one case.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::{Notify, oneshot, watch};

use super::super::{MemoryRevocations, Revocation, RevocationKind};
use super::entry::{RevocationEntry, StreamEvent, read_name};
use super::keys::BucketSpan;
use super::outbox::{Outbox, WriteOutcome};
use super::position::{Position, StreamId};
use super::settings::RedisSettings;
use super::status::{RedisStatus, moment};
use crate::claims::NumericDate;
use crate::claims::validation::MAX_LEEWAY;
use crate::clock::{Clock as _, Moment, SystemClock};
use crate::error::RevocationsUnavailable;
use crate::observe::trace;
use crate::state::redis::{KEEPS_ALL, Link, RedisError};

pub(super) struct SharedState {
    pub(super) settings: RedisSettings,
    pub(super) view: MemoryRevocations,
    window: BucketSpan,
    began: Moment,
    /// The moment up to which nothing is missing, in milliseconds since `began`; 0 is never.
    complete_up_to: AtomicU64,
    outbox: Mutex<Outbox>,
    /// Counts the restorations.
    restorations: AtomicU64,
    /// Wakes the writer.
    pub(super) wake: Notify,
    /// Notified of each change of readiness.
    pub(super) changed: watch::Sender<()>,
    state: Mutex<ConnectionState>,
}

#[derive(Default)]
struct ConnectionState {
    link: Option<Link>,
    /// The server of the last connection.
    server: String,
    /// The reason why there was no connection. Kept until the view is ready again.
    problem: Option<Arc<str>>,
    /// Set when the last attempt to connect failed.
    is_away: bool,
    position: Option<Position>,
    was_whole: Option<bool>,
    since: Duration,
    last_reconciliation: Option<SystemTime>,
    eviction_policy: Option<Arc<str>>,
}

impl SharedState {
    pub(super) fn new(settings: RedisSettings, view: MemoryRevocations) -> Self {
        Self {
            window: BucketSpan::of(settings.max_lifetime),
            settings,
            view,
            began: Moment::now(),
            complete_up_to: AtomicU64::new(0),
            outbox: Mutex::default(),
            restorations: AtomicU64::new(0),
            wake: Notify::new(),
            changed: watch::Sender::new(()),
            state: Mutex::default(),
        }
    }

    pub(super) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Returns whether nothing is missing except the revocations of the last moments, within the
    /// gap.
    pub(super) fn is_ready(&self) -> bool {
        let complete = self.complete_up_to.load(Ordering::Acquire);
        let missed = milliseconds(self.now()).saturating_sub(complete);
        complete != 0 && missed <= milliseconds(self.settings.max_gap)
    }

    /// Records that all that Redis had at this moment is here.
    pub(super) fn complete(&self, up_to: Duration) {
        self.complete_up_to.fetch_max(milliseconds(up_to).max(1), Ordering::AcqRel);
        // Not on connecting: a connection that fails again and again is not worth a line each time.
        let mut state = self.state();
        if state.problem.take().is_some() {
            trace::redis_reached(&self.settings.source(), &state.server);
        }
        drop(state);
        self.report();
    }

    /// Logs the readiness if it has changed.
    pub(super) fn report(&self) {
        let is_ready = self.is_ready();
        let mut state = self.state();
        let is_starting = state.was_whole.is_none() && self.now() < self.settings.max_gap;
        if state.was_whole == Some(is_ready) || (!is_ready && is_starting) {
            return;
        }
        state.was_whole = Some(is_ready);
        state.since = self.now();
        let source = self.settings.source();
        if is_ready {
            trace::revocations_whole(&source, self.view.len());
        } else {
            let problem = state.problem.as_deref().unwrap_or("no answer from Redis");
            trace::revocations_not_whole(&source, problem, self.settings.carries_on);
        }
        drop(state);
        self.changed.send_replace(());
    }

    pub(super) fn unavailable(&self) -> RevocationsUnavailable {
        let problem = match self.complete_up_to.load(Ordering::Acquire) {
            0 => "the revocations have not come from Redis yet",
            _ => "Redis has not answered for too long",
        };
        let retry_after = self.settings.max_gap / 4;
        let bounds = (Duration::from_secs(1), Duration::from_secs(30));
        RevocationsUnavailable::new(problem)
            .with_retry_after(retry_after.clamp(bounds.0, bounds.1))
            .reported()
    }

    /// Revokes on this node, and queues the revocations for the writer, to be written in one step.
    pub(super) fn revoke(
        &self,
        revocations: &[Revocation],
    ) -> Option<Vec<oneshot::Receiver<WriteOutcome>>> {
        let mut entries = Vec::with_capacity(revocations.len());
        // Locked, so that nothing is restored in between.
        let mut outbox = self.outbox();
        for revocation in revocations {
            let later = self.view.covering_dated_ahead(revocation);
            let revocation = later.as_ref().unwrap_or(revocation);
            let entry =
                RevocationEntry::new(revocation, self.window.end(self.kept_until(revocation)));
            self.view.insert_shared(revocation, entry.until());
            entries.push(entry);
        }
        let state = self.state();
        let told = outbox.add(entries, state.position.as_ref().map(Position::id));
        // Without a connection, callers would wait in vain.
        if state.link.is_none()
            && let Some(problem) = &state.problem
        {
            outbox.give_up(problem);
        }
        drop((state, outbox));
        self.wake.notify_one();
        told
    }

    /// Has the writer write recent revocations again, since Redis seems to have lost them.
    pub(super) fn write_again(&self) {
        let now = self.now();
        self.outbox().write_again(now);
        self.wake.notify_one();
    }

    /// A token that claims to outlive the longest lifetime is refused for that, so its revocation
    /// is not kept for ever.
    fn kept_until(&self, revocation: &Revocation) -> u32 {
        let until = self.view.kept_until(revocation);
        match revocation.name().kind() {
            RevocationKind::Token => {
                let now = NumericDate::from_seconds(self.view.now().into());
                until.min(self.view.outlived(now.saturating_add(MAX_LEEWAY)))
            }
            _ => until,
        }
    }

    /// Applies an entry of the stream.
    pub(super) fn follow(&self, event: &StreamEvent, place: StreamId) -> Result<(), RedisError> {
        match event {
            StreamEvent::Revoked(entry) => self.insert(entry),
            StreamEvent::Restored { name } => {
                self.restore(name, place);
                Ok(())
            }
            StreamEvent::Mark => Ok(()),
        }
    }

    pub(super) fn insert(&self, entry: &RevocationEntry) -> Result<(), RedisError> {
        let revocation =
            entry.revocation().ok_or_else(|| RedisError::unreadable("a revocation"))?;
        self.view.insert_shared(&revocation, entry.until());
        Ok(())
    }

    /// Restores a name that was restored at this position of the stream.
    pub(super) fn restore(&self, name: &str, place: StreamId) -> bool {
        let mut outbox = self.outbox();
        let is_taken_back = outbox.restore(name, place);
        self.restorations.fetch_add(1, Ordering::AcqRel);
        match read_name(name) {
            Some((issuer, name)) if is_taken_back => self.view.restore(issuer, name),
            _ => false,
        }
    }

    pub(super) fn restorations(&self) -> u64 {
        self.restorations.load(Ordering::Acquire)
    }

    pub(super) fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, ConnectionState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the position up to which the stream was read.
    pub(super) fn position(&self) -> Option<Position> {
        self.state().position.clone()
    }

    pub(super) fn set_position(&self, position: Position) {
        self.state().position = Some(position);
    }

    pub(super) fn set_reconciled(&self) {
        self.state().last_reconciliation = Some(SystemClock.now());
    }

    pub(super) fn set_eviction_policy(&self, policy: Option<Arc<str>>) {
        let mut state = self.state();
        if state.eviction_policy != policy
            && let Some(policy) = policy.as_deref().filter(|policy| *policy != KEEPS_ALL)
        {
            trace::evicts(&self.settings.source(), policy);
        }
        state.eviction_policy = policy;
    }

    pub(super) fn link(&self) -> Option<Link> {
        self.state().link.clone()
    }

    pub(super) fn connected(&self, server: &str, link: Link) {
        let mut state = self.state();
        state.link = Some(link);
        state.is_away = false;
        server.clone_into(&mut state.server);
    }

    /// Records that there is no connection. Callers that wait for a write go on waiting as long as
    /// another connection may follow at once.
    pub(super) fn disconnected(&self, problem: &RedisError) {
        let text: Arc<str> = problem.to_string().into();
        let mut outbox = self.outbox();
        let mut state = self.state();
        state.is_away = state.link.take().is_none();
        if state.problem.is_none() {
            trace::redis_not_reached(&self.settings.source(), &text);
        }
        if state.is_away {
            outbox.give_up(&text);
        }
        state.problem = Some(text);
    }

    pub(super) fn status(&self) -> RedisStatus {
        let (now, clock) = (self.now(), SystemClock.now());
        let complete = self.complete_up_to.load(Ordering::Acquire);
        let waiting = self.outbox().waiting();
        let state = self.state();
        let is_ready = self.is_ready();
        let has_changed = state.was_whole != Some(is_ready);
        RedisStatus {
            source: self.settings.source(),
            is_ready,
            carries_on: self.settings.carries_on,
            since: moment(clock, now, if has_changed { now } else { state.since }),
            problem: state.problem.as_deref().map(str::to_owned),
            complete_up_to: (complete != 0)
                .then(|| moment(clock, now, Duration::from_millis(complete))),
            revocations: self.view.len(),
            unwritten: waiting,
            position: state.position.as_ref().map(|position| position.id().to_string()),
            last_reconciliation: state.last_reconciliation,
            eviction_policy: state.eviction_policy.as_deref().map(str::to_owned),
        }
    }

    /// Records that the worker has ended.
    pub(super) fn abandon(&self) {
        const GONE: &str = "the task that follows Redis has ended";
        self.outbox().give_up(GONE);
        let mut state = self.state();
        state.link = None;
        state.is_away = true;
        state.problem = Some(GONE.into());
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use redis::RedisConnectionInfo;
    use tokio::time::advance;

    use super::super::keys::RedisKeys;
    use super::super::position::StreamEntry;
    use super::*;
    use crate::error::AuthError;
    use crate::state::redis::ConnectSettings;
    use crate::state::revocation::{Revocable, Revocations as _};

    const ISSUER: &str = "https://id.example.com";
    const GAP: Duration = Duration::from_secs(10);
    const MILLISECOND: Duration = Duration::from_millis(1);

    impl SharedState {
        /// Creates the state of a node that has not connected yet.
        pub(in super::super) fn unconnected() -> Self {
            let settings = RedisSettings {
                connection: ConnectSettings::new("redis://localhost").unwrap(),
                keys: RedisKeys::usual(),
                max_lifetime: Duration::from_secs(900),
                max_gap: GAP,
                reconciled_every: Duration::from_secs(600),
                stream_length: 1,
                carries_on: false,
            };
            let view = MemoryRevocations::new().with_max_lifetime(settings.max_lifetime);
            Self::new(settings, view)
        }
    }

    fn shared() -> SharedState {
        SharedState::unconnected()
    }

    fn id(text: &str) -> StreamId {
        StreamId::read(text).unwrap()
    }

    fn token(name: &str, lives: u64) -> Revocation {
        Revocation::token(ISSUER, name, SystemClock.now() + Duration::from_secs(lives))
    }

    fn knows(shared: &SharedState, name: &str) -> bool {
        shared.view.lookup(ISSUER, Revocable::Token(name)).is_some()
    }

    /// As an entry of the stream, and the name in it.
    fn revoked(name: &str) -> (StreamEvent, String) {
        let entry = RevocationEntry::new(&token(name, 900), u64::from(u32::MAX));
        (StreamEvent::Revoked(entry.clone()), entry.name)
    }

    async fn link() -> Link {
        let (here, _there) = tokio::io::duplex(64);
        let info = RedisConnectionInfo::default().set_skip_set_lib_name();
        Link::new(here, &info, Duration::from_secs(1)).await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn view_is_whole_from_when_all_was_read_until_the_gap_is_over() {
        let shared = shared();
        advance(Duration::from_secs(1)).await;
        assert!(!shared.is_ready());

        shared.complete(shared.now());
        advance(GAP).await;
        assert!(shared.is_ready());
        advance(MILLISECOND).await;

        assert!(!shared.is_ready());
        // An earlier moment than that does not count.
        shared.complete(Duration::from_secs(1));
        assert!(!shared.is_ready());
        shared.complete(shared.now());
        assert!(shared.is_ready());
    }

    #[tokio::test(start_paused = true)]
    async fn change_between_whole_and_not_is_told_once_and_not_at_the_start() {
        for _ in 0..20 {
            let shared = shared();
            let mut told = shared.changed.subscribe();
            let mut is_told = || {
                shared.report();
                let has_changed = told.has_changed().unwrap();
                told.mark_unchanged();
                has_changed
            };
            assert!(!is_told());
            advance(GAP.saturating_sub(MILLISECOND)).await;
            assert!(!is_told());
            advance(MILLISECOND).await;
            assert_eq!([is_told(), is_told()], [true, false]);

            shared.complete(shared.now());
            // This has told it already.
            assert_eq!([is_told(), is_told()], [true, false]);
            advance(GAP).await;
            assert!(!is_told());
            advance(2 * MILLISECOND).await;
            assert_eq!([is_told(), is_told()], [true, false]);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn view_that_is_not_whole_says_why_and_when_to_come_again() {
        let shared = shared();
        let told = |shared: &SharedState| {
            let error = shared.unavailable();
            let text = error.source().unwrap().to_string();
            (text, AuthError::from(error).retry_after().unwrap())
        };
        let (problem, after) = told(&shared);
        assert!(problem.contains("have not come from Redis yet"), "{problem}");
        assert_eq!(after, GAP / 4);

        shared.complete(shared.now());

        assert!(told(&shared).0.contains("not answered for too long"));
    }

    #[test]
    fn token_is_kept_no_longer_than_one_that_is_issued_now_may_live() {
        let shared = shared();
        let (usual, endless) = (token("a", 60), token("b", 100_000));
        let session = Revocation::session(ISSUER, "s");
        let now = NumericDate::from_seconds(shared.view.now().into());
        let most = shared.view.outlived(now.saturating_add(MAX_LEEWAY));

        assert_eq!(shared.kept_until(&usual), shared.view.kept_until(&usual));
        assert_eq!(shared.kept_until(&session), shared.view.kept_until(&session));
        let kept = shared.kept_until(&endless);
        assert!((most..most + 5).contains(&kept) && kept < shared.view.kept_until(&endless));
    }

    #[test]
    fn entries_of_the_stream_revoke_and_take_back() {
        let shared = shared();
        let ((one, name), (other, _)) = (revoked("t1"), revoked("t2"));
        shared.follow(&one, id("1-0")).unwrap();
        shared.follow(&other, id("2-0")).unwrap();
        assert!(knows(&shared, "t1") && knows(&shared, "t2"));
        let before = shared.restorations();

        shared.follow(&StreamEvent::Restored { name: name.clone() }, id("3-0")).unwrap();

        assert!(!knows(&shared, "t1") && knows(&shared, "t2"));
        assert_ne!(shared.restorations(), before);
        assert!(!shared.restore(&name, id("4-0")));
        shared.follow(&one, id("5-0")).unwrap();
        assert!(shared.restore(&name, id("6-0")) && !knows(&shared, "t1"));
    }

    #[test]
    fn revocation_that_waits_to_be_written_is_not_taken_back() {
        let shared = shared();
        let (_, name) = revoked("t1");
        let _told = shared.revoke(&[token("t1", 900)]).unwrap();

        assert!(!shared.restore(&name, id("1-0")));

        assert!(knows(&shared, "t1"));
        assert_eq!(shared.status().unwritten, 1);
    }

    #[test]
    fn status_tells_how_far_it_has_read_and_what_redis_is_like() {
        let shared = shared();
        let status = shared.status();
        assert_eq!((status.position, status.last_reconciliation), (None, None));
        assert_eq!((status.eviction_policy, status.complete_up_to), (None, None));
        let read = StreamEntry { id: id("7-0"), word: "mark".to_owned(), text: "a".to_owned() };

        shared.set_position(Position(read.clone()));
        shared.set_reconciled();
        shared.set_eviction_policy(Some("noeviction".into()));
        shared.complete(shared.now());

        let status = shared.status();
        assert_eq!(shared.position(), Some(Position(read)));
        assert_eq!(status.position(), Some("7-0"));
        assert!(status.last_reconciliation().is_some() && status.complete_up_to().is_some());
        assert_eq!((status.eviction_policy(), status.is_ready()), (Some("noeviction"), true));
    }

    #[tokio::test]
    async fn callers_wait_for_one_more_connection_and_are_told_when_it_cannot_be_had() {
        let (shared, problem) = (shared(), RedisError::broken("no route"));
        let mut told = shared.revoke(&[token("t1", 900)]).unwrap().remove(0);
        shared.connected("localhost:6379", link().await);
        assert!(shared.link().is_some());

        shared.disconnected(&problem);
        assert!(shared.link().is_none() && told.try_recv().is_err());
        shared.disconnected(&problem);

        assert_eq!(told.try_recv(), Ok(Err("no route".to_owned())));
        assert_eq!(shared.status().problem(), Some("no route"));
        // A caller that comes now does not wait.
        let mut told = shared.revoke(&[token("t2", 900)]).unwrap().remove(0);
        assert_eq!(told.try_recv(), Ok(Err("no route".to_owned())));
    }

    #[test]
    fn callers_are_told_when_the_worker_has_ended() {
        let shared = shared();
        let mut told = shared.revoke(&[token("t1", 900)]).unwrap().remove(0);

        shared.abandon();

        let gone = "the task that follows Redis has ended";
        assert_eq!(told.try_recv(), Ok(Err(gone.to_owned())));
        assert_eq!(shared.status().problem(), Some(gone));
    }

    #[tokio::test(start_paused = true)]
    async fn status_says_since_when_the_view_is_as_it_is() {
        let shared = shared();
        let ago = || {
            let since = shared.status().since();
            SystemClock.now().duration_since(since).unwrap().as_secs()
        };
        advance(Duration::from_secs(3)).await;
        assert_eq!(ago(), 0);

        shared.complete(shared.now());
        advance(Duration::from_secs(5)).await;

        assert_eq!(ago(), 5);
    }
}
