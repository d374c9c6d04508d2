use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use keyward_auth::needs::CredentialsUse;
use keyward_auth::{Environment, Permit};
use keyward_core::Store;
use keyward_credentials::{
    Asked, CallAnswer, CallError, CallRequest, CallServices, Caller, Calling, CredentialScope,
    CredentialsTx, EndedUse, Model, Probe, RequestPath, Tested, UseCredential, Wanted, Which,
};
use tokio::sync::Semaphore;

/// Services that answer as a test wants it.
pub(crate) struct Elsewhere {
    tested: Mutex<Outcome<Tested>>,
    models: Mutex<Outcome<Vec<Model>>>,
    /// Answers that may go; each takes one with it.
    answers: Semaphore,
    asked: AtomicUsize,
}

impl Default for Elsewhere {
    fn default() -> Self {
        Self {
            tested: Mutex::new(|| Ok(Tested::Accepted)),
            models: Mutex::new(|| Ok(Vec::new())),
            answers: Semaphore::new(Semaphore::MAX_PERMITS),
            asked: AtomicUsize::new(0),
        }
    }
}

impl Elsewhere {
    pub(crate) fn tests_as(&self, tested: fn() -> Result<Tested, CallError>) {
        *self.tested.lock().unwrap() = tested;
    }

    pub(crate) fn lists(&self, models: fn() -> Result<Vec<Model>, CallError>) {
        *self.models.lock().unwrap() = models;
    }

    /// Lets nobody have an answer until [`Self::go_on`].
    pub(crate) fn hold(&self) {
        self.answers.forget_permits(Semaphore::MAX_PERMITS);
    }

    pub(crate) fn go_on(&self) {
        self.answers.add_permits(1_000);
    }

    /// How many requests have reached it.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    async fn is_reached(&self) {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.answers.acquire().await.unwrap().forget();
    }
}

/// What a service does when it is asked.
pub(crate) type Outcome<T> = fn() -> Result<T, CallError>;

/// A broker that decides as a real one does, and sends nothing.
pub(crate) struct FakeCalls<S> {
    uses: Arc<UseCredential<S>>,
    elsewhere: Arc<Elsewhere>,
}

impl<S: Store<Tx: CredentialsTx> + Clone> FakeCalls<S> {
    pub(crate) fn new(
        environment: &Environment<S>,
        scope: CredentialScope,
        elsewhere: Arc<Elsewhere>,
    ) -> Self {
        Self {
            uses: Arc::new(UseCredential::new(environment, scope, Arc::default())),
            elsewhere,
        }
    }

    fn lease(
        &self,
        caller: Permit<CredentialsUse>,
        which: Which,
        asked: Asked,
    ) -> Result<EndedUse, CallError> {
        let wanted = Wanted {
            caller: Caller::Known(caller),
            which,
            asked,
            body_bytes: None,
        };
        let mut outcomes = self.uses.commit(&[wanted], &[]);
        let outcome = outcomes.as_mut().map(|outcomes| outcomes.remove(0));
        match outcome {
            Ok(lease) => Ok(lease?.ended()),
            Err(error) => panic!("{error}"),
        }
    }
}

impl<S: Store<Tx: CredentialsTx> + Clone> CallServices for FakeCalls<S> {
    fn call(
        &self,
        caller: Permit<CredentialsUse>,
        which: Which,
        request: CallRequest,
    ) -> Calling<CallAnswer> {
        let asked = Asked::Request {
            via: "mcp",
            method: request.method,
            path: RequestPath::parse(&request.target).unwrap(),
        };
        let leased = self.lease(caller, which, asked);
        Box::pin(async move {
            leased?;
            Err(CallError::Unreachable)
        })
    }

    fn test(&self, caller: Permit<CredentialsUse>, which: Which) -> Calling<Tested> {
        let leased = self.lease(caller, which, Asked::Probe(Probe::Test));
        let elsewhere = Arc::clone(&self.elsewhere);
        Box::pin(async move {
            leased?;
            elsewhere.is_reached().await;
            let tested = *elsewhere.tested.lock().unwrap();
            tested()
        })
    }

    fn models(&self, caller: Permit<CredentialsUse>, which: Which) -> Calling<Vec<Model>> {
        let leased = self.lease(caller, which, Asked::Probe(Probe::Models));
        let elsewhere = Arc::clone(&self.elsewhere);
        Box::pin(async move {
            leased?;
            elsewhere.is_reached().await;
            let models = *elsewhere.models.lock().unwrap();
            models()
        })
    }
}
