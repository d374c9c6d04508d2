use std::net::IpAddr;
use std::sync::Arc;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::ConnectionType;
use actix_web::middleware::Next;
use actix_web::{Error, ResponseError as _};

use crate::{Problem, TrustedProxies};

/// Turns away peers that are neither this machine nor a trusted proxy, whatever they ask for, and
/// closes their connection: what they send has not been through a proxy with TLS.
///
/// Wrap the application with it, inside of [`edge`](crate::edge), which only labels and logs:
///
/// ```no_run
/// # use std::sync::Arc;
/// # use actix_web::{App, middleware::from_fn};
/// # use keyward_http::{TrustedProxies, edge, trusted_peers};
/// let proxies: Arc<TrustedProxies> = Arc::new(["10.0.0.0/8".parse().unwrap()].into_iter().collect());
/// App::new()
///     .wrap(from_fn(move |request, next| trusted_peers(Arc::clone(&proxies), request, next)))
///     .wrap(from_fn(edge));
/// ```
///
/// # Errors
///
/// Those of what is wrapped, as they are.
pub async fn trusted_peers(
    proxies: Arc<TrustedProxies>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let peer = request.peer_addr().map(|peer| peer.ip());
    // Who cannot be told is not trusted.
    if peer.is_some_and(|peer| is_trusted(&proxies, peer)) {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    tracing::info!(
        peer = peer.map(tracing::field::display),
        "turned away a peer that is not in TRUSTED_PROXIES"
    );
    let mut refusal = Problem::untrusted_peer().error_response();
    refusal
        .head_mut()
        .set_connection_type(ConnectionType::Close);
    Ok(request.into_response(refusal))
}

fn is_trusted(proxies: &TrustedProxies, peer: IpAddr) -> bool {
    peer.to_canonical().is_loopback() || proxies.contains(peer)
}
