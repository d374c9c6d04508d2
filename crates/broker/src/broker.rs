use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body::Body;
use http_body_util::combinators::UnsyncBoxBody;
use keyward_auth::{Environment, LastUsed};
use keyward_core::{Store, with_causes};
use keyward_credentials::{
    Asked, CallError, Caller, CredentialScope, CredentialsTx, Lease, RequestPath, UseCredential,
    Wanted, Which,
};
use tokio::time::timeout;
use url::Url;

use crate::answer::{Scrubbed, scrubbed};
use crate::crowd::Crowd;
use crate::desk::Desk;
use crate::egress::{Egress, Forbidden};
use crate::inject::{address, inject};
use crate::location::Redirects;
use crate::scrub::Needles;
use crate::under_way::UnderWay;
use crate::upload::{Progress, Upload};
use crate::via::Via;
use crate::{BoxError, headers, location, metrics};

/// Passes requests on to the services of credentials, with the credential in them. Clones share
/// everything.
///
/// A secret leaves only for its own host, after it is written down that it does, and is taken out
/// of what comes back.
#[derive(Clone)]
pub struct Broker {
    pub(crate) desk: Arc<Desk>,
    pub(crate) egress: Arc<Egress>,
    crowd: Arc<Crowd>,
    via: Arc<Via>,
    prefix: &'static str,
}

impl Broker {
    /// Starts the thread that hands secrets out. `prefix` is where clients reach the broker, such as
    /// `/broker`: redirects lead there again.
    ///
    /// # Errors
    ///
    /// When the system gives no thread.
    pub fn start<S: Store<Tx: CredentialsTx> + Clone>(
        environment: &Environment<S>,
        scope: CredentialScope,
        last_used: Arc<LastUsed>,
        egress: Egress,
        prefix: &'static str,
    ) -> std::io::Result<Self> {
        let uses = UseCredential::new(environment, scope, last_used);
        Ok(Self {
            desk: Arc::new(Desk::start(uses)?),
            egress: Arc::new(egress),
            crowd: Arc::default(),
            via: Arc::new(Via::new()),
            prefix,
        })
    }

    /// Sends `request` to the service of the credential `which`. Its target is the path there, below
    /// the base URL of the credential. `redirects` says what the client may be told of places
    /// outside the service.
    ///
    /// The body of the answer has to be read or dropped. Dropping it, or this future, ends the
    /// request to the service too.
    pub async fn relay<B>(
        &self,
        caller: Caller,
        which: Which,
        redirects: Redirects,
        request: Request<B>,
    ) -> Result<Response<AnswerBody>, CallError>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Sync + Unpin + 'static,
    {
        let mut answer = self.pass(caller, which, "broker", request).await?;
        redirects.apply(answer.headers_mut());
        Ok(answer.map(UnsyncBoxBody::new))
    }

    /// The same, for whoever asks `via` another way.
    pub(crate) async fn pass<B>(
        &self,
        caller: Caller,
        which: Which,
        via: &'static str,
        request: Request<B>,
    ) -> Result<Response<Scrubbed>, CallError>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Sync + Unpin + 'static,
    {
        let passed = self.passed(caller, which, via, request).await;
        passed.inspect_err(metrics::refused)
    }

    async fn passed<B>(
        &self,
        caller: Caller,
        which: Which,
        via: &'static str,
        request: Request<B>,
    ) -> Result<Response<Scrubbed>, CallError>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Sync + Unpin + 'static,
    {
        let (parts, body) = request.into_parts();
        if self.via.is_in(&parts.headers) {
            return Err(CallError::Loop);
        }
        if headers::wants_upgrade(&parts.headers) {
            return Err(CallError::Malformed(NO_UPGRADE));
        }
        // Longer than any name of a method: it would fill the audit log.
        let is_long = parts.method.as_str().len() > 32;
        if is_long || matches!(parts.method, Method::CONNECT | Method::TRACE) {
            return Err(CallError::Malformed(NO_SUCH_METHOD));
        }
        let path =
            RequestPath::parse(parts.uri.path()).map_err(|_| CallError::Malformed(BAD_PATH))?;
        let wanted = Wanted {
            caller,
            which,
            asked: Asked::Request {
                via,
                method: parts.method.to_string(),
                path,
            },
            body_bytes: body.size_hint().exact(),
        };
        let lease = self.desk.open(wanted).await?;
        let out = Outgoing {
            method: parts.method,
            url: address(&lease, parts.uri.query())?,
            headers: headers::outgoing(&parts.headers),
            body,
        };
        self.send(&lease, out).await
    }

    /// Sends a request for which secrets were handed out.
    pub(crate) async fn send<B>(
        &self,
        lease: &Lease,
        out: Outgoing<B>,
    ) -> Result<Response<Scrubbed>, CallError>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Sync + Unpin + 'static,
    {
        let mut under_way = UnderWay::new(&self.desk, lease);
        match self.crowd.join(lease.user()) {
            Ok(place) => under_way.hold(place),
            Err(error) => {
                under_way.finish(outcome(&error));
                return Err(error);
            }
        }
        let asked = out.url.clone();
        match self.exchange(lease, out, &under_way).await {
            Ok((answer, needles)) => {
                let mut answer = scrubbed(answer, &Arc::new(needles), under_way)?;
                location::rewrite(answer.headers_mut(), self.prefix, lease, &asked);
                Ok(answer)
            }
            Err(error) => {
                let error = under_way
                    .upload()
                    .failure(lease.max_body_bytes)
                    .unwrap_or(error);
                under_way.finish(outcome(&error));
                Err(error)
            }
        }
    }

    async fn exchange<B>(
        &self,
        lease: &Lease,
        out: Outgoing<B>,
        under_way: &UnderWay,
    ) -> Result<(Response<reqwest::Body>, Needles), CallError>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Sync + Unpin + 'static,
    {
        let Outgoing {
            method,
            mut url,
            mut headers,
            body,
        } = out;
        let needles = inject(lease, &mut url, &mut headers)?;
        self.via.add_to(&mut headers);
        let checked = (self.egress.check(url)).map_err(|error| forbidden(lease, error))?;
        let mut request = self.egress.request(method, checked).map_err(|error| {
            tracing::error!(error = %with_causes(&error), "requests to other services cannot be made");
            CallError::NotReady
        })?;
        request = request.headers(headers);
        if !body.is_end_stream() {
            let upload = Upload::new(body, lease.max_body_bytes, Arc::clone(under_way.upload()));
            request = request.body(reqwest::Body::wrap(upload));
        }
        let answer = patiently(request.send(), under_way.upload()).await?;
        let answer = answer.map_err(|error| failure(lease, error))?;
        if answer.status().is_informational() {
            // Nobody asked for another protocol.
            return Err(CallError::BadAnswer);
        }
        Ok((answer.into(), needles))
    }
}

/// The body of an answer, as it comes in.
pub type AnswerBody = UnsyncBoxBody<Bytes, BoxError>;

/// Waits for the head of an answer as long as the body of the request goes on, and then a while.
async fn patiently<T>(sending: impl Future<Output = T>, upload: &Progress) -> Result<T, CallError> {
    let mut sending = std::pin::pin!(sending);
    let mut sent = upload.sent();
    loop {
        match timeout(PATIENCE, &mut sending).await {
            Ok(answer) => return Ok(answer),
            Err(_elapsed) if upload.sent() > sent => sent = upload.sent(),
            Err(_elapsed) => return Err(CallError::TimedOut),
        }
    }
}

/// A request before the secrets are in it.
pub(crate) struct Outgoing<B> {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: B,
}

/// What a failure of the client library means. Its text may hold the address, which may hold a
/// secret; that is left out.
fn failure(lease: &Lease, error: reqwest::Error) -> CallError {
    let error = error.without_url();
    if let Some(refusal) = Forbidden::cause_of(&error) {
        return forbidden(lease, refusal);
    }
    tracing::info!(credential = %lease.credential, error = %with_causes(&error), "a request to the service of a credential failed");
    if error.is_timeout() {
        CallError::TimedOut
    } else if error.is_connect() {
        CallError::Unreachable
    } else {
        CallError::BadAnswer
    }
}

fn forbidden(lease: &Lease, error: Forbidden) -> CallError {
    tracing::warn!(credential = %lease.credential, %error, "a request was not sent for where it would go");
    CallError::ForbiddenAddress(error.reason())
}

/// A word for the audit log and the metrics.
fn outcome(error: &CallError) -> &'static str {
    match error {
        CallError::ForbiddenAddress(_) => "forbidden-address",
        CallError::TooLarge { .. } => "too-large",
        CallError::BodyLost => "body-lost",
        CallError::TimedOut => "timeout",
        CallError::BadAnswer => "bad-answer",
        CallError::UnusableSecret => "unusable-secret",
        CallError::NotReady => "not-ready",
        CallError::TooManyUnderWay { .. } => "too-many-under-way",
        _ => "unreachable",
    }
}

const NO_UPGRADE: &str = "protocol upgrades, such as WebSocket, are not passed on";
const NO_SUCH_METHOD: &str =
    "the methods CONNECT and TRACE, and those of more than 32 letters, are not passed on";
const BAD_PATH: &str = "the path must not hold `.` or `..` as a segment, a backslash, a control \
    character or an incomplete percent-encoding, encoded or not";
/// Until the head of an answer is there, or the next piece of it. Models think for minutes, and their
/// SDKs wait for ten.
pub(crate) const PATIENCE: Duration = Duration::from_mins(10);
