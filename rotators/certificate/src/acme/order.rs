//! One order from its beginning, or from wherever a crash left it, to the chain.
//!
//! What a crash leaves at each step: before the order's address is kept, an order that nobody goes on with and that
//! the authority lets expire; after it, an order that is taken up again: its authorizations, its finalize, or just its
//! download. A certificate is never ordered anew while the order that may have issued it can still be asked.
//!
//! Deliberately without retries over time: an attempt ends at its limit, and the caller decides when the next begins.

use std::time::Duration;

use async_trait::async_trait;
use instant_acme::{Error, Identifier, NewOrder, Order, OrderStatus, RetryPolicy};
use keywheel_contract::Failure;
use tokio::time::{Instant, timeout_at};

use super::account::Account;
use super::authorize::{authorize, why_invalid};
use super::chain::Chain;
use super::error::{AcmeError, Class, is_lost, refusal_of};
use super::nonce::insist;
use super::pace::left;
use super::renewal_info::CertificateId;
use super::solver::Solver;

const ALREADY_REPLACED: &str = "urn:ietf:params:acme:error:alreadyReplaced";
const ORDER_NOT_READY: &str = "urn:ietf:params:acme:error:orderNotReady";

/// What is ordered.
#[derive(Debug, Clone, Copy)]
pub struct OrderRequest<'a> {
    /// DNS names in A-labels, wildcards, or IP addresses.
    pub names: &'a [String],
    /// The signing request for the same names, as DER.
    pub csr_der: &'a [u8],
    /// The authority's profile, where it has any.
    pub profile: Option<&'a str>,
    /// The certificate that this one comes in place of, for authorities with renewal information.
    pub replaces: Option<&'a CertificateId>,
    /// The address of the order to go on with.
    pub resume: Option<&'a str>,
    /// How long this attempt may take.
    pub within: Duration,
}

/// Keeps what must not be lost before it is needed.
#[async_trait]
pub trait Progress: Send + Sync {
    /// Called before anything is issued: when this answers, the order's address is durable.
    async fn ordered(&self, directory: &str, order_url: &str) -> Result<(), Failure>;
}

/// Obtains a certificate by a new order, or by going on with the given one.
///
/// # Errors
///
/// [`Class::Unknown`] if the answer to finalize was lost and the order does not tell: go on with the order's address.
pub async fn obtain(
    request: &OrderRequest<'_>,
    account: &Account,
    solver: &dyn Solver,
    progress: &dyn Progress,
) -> Result<Chain, AcmeError> {
    let until = Instant::now() + request.within;
    let mut order = in_time(until, "the order", ready(request, account, solver, progress, until)).await?;
    if order.state().status == OrderStatus::Ready {
        let finalized = timeout_at(until, finalize(&mut order, request.csr_der)).await;
        finalized
            .unwrap_or_else(|_| Err(AcmeError::finalize_unanswered("no answer within the time of this attempt")))?;
    }
    in_time(until, "the certificate", download(&mut order, until)).await
}

/// Everything before finalize. Dropped anywhere, it leaves nothing but an order to go on with.
async fn ready(
    request: &OrderRequest<'_>,
    account: &Account,
    solver: &dyn Solver,
    progress: &dyn Progress,
    until: Instant,
) -> Result<Order, AcmeError> {
    let identifiers = identifiers(request.names, solver)?;
    let mut order = match taken_up(request, account).await? {
        Some(order) => order,
        None => placed(request, account, &identifiers).await?,
    };
    progress.ordered(account.directory(), order.url()).await.map_err(AcmeError::of_caller)?;
    if order.state().status == OrderStatus::Pending {
        authorize(&mut order, solver, until).await?;
    }
    Ok(order)
}

async fn in_time<T>(
    until: Instant,
    doing: &str,
    work: impl Future<Output = Result<T, AcmeError>>,
) -> Result<T, AcmeError> {
    timeout_at(until, work).await.unwrap_or_else(|_| Err(AcmeError::too_slow(doing, None)))
}

/// Obtains the certificate of an order that may be finalized already, without ordering or validating anything:
/// `None` if the order has none and will not have one by itself.
pub async fn collect(account: &Account, order_url: &str, within: Duration) -> Result<Option<Chain>, AcmeError> {
    let until = Instant::now() + within;
    let Some(mut order) = known(account, order_url).await? else { return Ok(None) };
    match order.state().status {
        OrderStatus::Processing | OrderStatus::Valid => download(&mut order, until).await.map(Some),
        OrderStatus::Pending | OrderStatus::Ready | OrderStatus::Invalid => Ok(None),
    }
}

fn identifiers(names: &[String], solver: &dyn Solver) -> Result<Vec<Identifier>, AcmeError> {
    if names.is_empty() {
        return Err(AcmeError::misconfigured("names", "acme-no-names", "there is no name to order for", "give names"));
    }
    names.iter().map(|name| identifier(name, solver)).collect()
}

fn identifier(name: &str, solver: &dyn Solver) -> Result<Identifier, AcmeError> {
    let identifier = match name.parse() {
        Ok(address) => Identifier::Ip(address),
        Err(_) => Identifier::Dns(name.to_ascii_lowercase()),
    };
    let is_dns = solver.challenge().is_dns();
    let (unfit, better) = match &identifier {
        Identifier::Ip(_) => (is_dns, "http-01 or tls-alpn-01"),
        _ => (name.starts_with("*.") && !is_dns, "dns-01"),
    };
    if unfit {
        let sentence = format!("`{name}` cannot be validated by {}", solver.challenge());
        let hint = format!("choose {better} as the challenge");
        return Err(AcmeError::misconfigured("target.acme.challenge", "acme-challenge-unfit", sentence, hint));
    }
    Ok(identifier)
}

async fn taken_up(request: &OrderRequest<'_>, account: &Account) -> Result<Option<Order>, AcmeError> {
    let Some(url) = request.resume else { return Ok(None) };
    let Some(mut order) = known(account, url).await? else { return Ok(None) };
    Ok((order.state().status != OrderStatus::Invalid).then_some(order))
}

/// The order at an address; `None` if the authority says that there is none for this account.
async fn known(account: &Account, url: &str) -> Result<Option<Order>, AcmeError> {
    match insist!(account.inner().order(url.to_owned()).await) {
        Ok(order) => Ok(Some(order)),
        Err(error) => match refusal_of(&error) {
            Some((Some(403 | 404 | 410), _)) => Ok(None),
            _ => Err(AcmeError::of("order", &error)),
        },
    }
}

async fn placed(request: &OrderRequest<'_>, account: &Account, identifiers: &[Identifier]) -> Result<Order, AcmeError> {
    let mut order = NewOrder::new(identifiers);
    if let Some(profile) = request.profile {
        refuse_unknown(profile, account)?;
        order = order.profile(profile);
    }
    let Some(replaced) = request.replaces else {
        return place(account, &order).await.map_err(|error| new_order_error(&error));
    };
    let id = replaced.as_instant();
    let replacing = NewOrder::new(identifiers).replaces(id);
    let replacing = match request.profile {
        Some(profile) => replacing.profile(profile),
        None => replacing,
    };
    match place(account, &replacing).await {
        // The word of what is replaced is a courtesy to the authority, and never a reason to go without.
        Err(error) if is_about_replacing(&error) => {
            place(account, &order).await.map_err(|error| new_order_error(&error))
        }
        other => other.map_err(|error| new_order_error(&error)),
    }
}

async fn place(account: &Account, order: &NewOrder<'_>) -> Result<Order, Error> {
    insist!(account.inner().new_order(order).await)
}

fn new_order_error(error: &Error) -> AcmeError {
    AcmeError::of("new-order", error)
}

fn is_about_replacing(error: &Error) -> bool {
    match refusal_of(error) {
        Some((_, Some(ALREADY_REPLACED)) | (Some(404 | 409), _)) => true,
        Some(_) => AcmeError::of("new-order", error).class == Class::Refused,
        None => matches!(error, Error::Unsupported(_)) || is_mismatch(error),
    }
}

/// instant-acme's own check that the authority repeats what is replaced: it is no [`Exchange`](super::exchange::Exchange).
fn is_mismatch(error: &Error) -> bool {
    matches!(error, Error::Other(cause) if cause.downcast_ref::<super::exchange::Exchange>().is_none())
}

fn refuse_unknown(profile: &str, account: &Account) -> Result<(), AcmeError> {
    let known: Vec<&str> = account.inner().profiles().map(|known| known.name).collect();
    if known.contains(&profile) {
        return Ok(());
    }
    let sentence = format!("`{}` has no profile `{profile}`", account.name());
    let hint = format!("its profiles are: {}", if known.is_empty() { "none".to_owned() } else { known.join(", ") });
    Err(AcmeError::misconfigured("acme_profile", "acme-profile-unknown", sentence, hint))
}

/// Asks for the certificate. After this the authority may have issued one, whatever is answered.
async fn finalize(order: &mut Order, csr_der: &[u8]) -> Result<(), AcmeError> {
    let Err(error) = insist!(order.finalize_csr(csr_der).await) else { return Ok(()) };
    let was_before = refusal_of(&error).is_some_and(|(_, kind)| kind == Some(ORDER_NOT_READY));
    if was_before || is_lost(&error) {
        let asked = insist!(order.refresh().await.map(|state| state.status));
        if matches!(asked, Ok(OrderStatus::Processing | OrderStatus::Valid)) {
            return Ok(());
        }
    }
    Err(AcmeError::of_finalize(&error))
}

async fn download(order: &mut Order, until: Instant) -> Result<Chain, AcmeError> {
    let got = if order.state().status == OrderStatus::Valid {
        insist!(order.certificate().await)
    } else {
        let policy = policy(until);
        insist!(order.poll_certificate(&policy).await.map(Some))
    };
    match got {
        Ok(Some(pem)) => Chain::parse(&pem),
        Ok(None) => Err(AcmeError::too_slow("the certificate", None)),
        Err(_) if order.state().status == OrderStatus::Invalid => Err(why_invalid(order).await),
        Err(error) => Err(AcmeError::of("certificate", &error)),
    }
}

/// How instant-acme looks again at what takes time: at once, then less often, or as `Retry-After` says.
pub(super) fn policy(until: Instant) -> RetryPolicy {
    RetryPolicy::new().initial_delay(Duration::from_millis(100)).backoff(1.5).timeout(left(until))
}
