//! Handshakes against real TLS servers, and against servers that misbehave before TLS begins.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use rustls::{
    RootCertStore, ServerConfig, SupportedProtocolVersion,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::WebPkiClientVerifier,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

use super::*;

const SOON: Duration = Duration::from_secs(10);

struct Identity {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

fn identity() -> Identity {
    let made = rcgen::generate_simple_self_signed(["shop.test".to_owned()]).expect("made");
    Identity {
        certificate: made.cert.der().clone(),
        key: PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key"),
    }
}

fn server(identity: &Identity, versions: &[&'static SupportedProtocolVersion], asks_back: bool) -> TlsAcceptor {
    let provider = Arc::new(default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(versions);
    let builder = builder.expect("versions");
    let builder = if asks_back {
        let mut roots = RootCertStore::empty();
        roots.add(identity.certificate.clone()).expect("an anchor");
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().expect("built");
        builder.with_client_cert_verifier(verifier)
    } else {
        builder.with_no_client_auth()
    };
    let chain = vec![identity.certificate.clone(), identity.certificate.clone()];
    TlsAcceptor::from(Arc::new(builder.with_single_cert(chain, identity.key.clone_key()).expect("fits")))
}

/// Says each text after it has read the one before it, then what the closure does with the socket.
async fn scripted<F, Fut>(script: &'static [(&'static str, &'static str)], then: F) -> SocketAddr
where
    F: FnOnce(TcpStream) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.expect("accepted");
        for (hear, say) in script {
            let mut heard = Vec::new();
            while !String::from_utf8_lossy(&heard).contains(hear) {
                let count = socket.read_buf(&mut heard).await.expect("read");
                assert!(count > 0, "closed before `{hear}`");
            }
            socket.write_all(say.as_bytes()).await.expect("written");
        }
        then(socket).await;
    });
    address
}

async fn tls(
    script: &'static [(&'static str, &'static str)],
    versions: &[&'static SupportedProtocolVersion],
    asks_back: bool,
) -> (SocketAddr, Identity) {
    let identity = identity();
    let acceptor = server(&identity, versions, asks_back);
    let address = scripted(script, move |socket| async move {
        if let Ok(mut session) = acceptor.accept(socket).await {
            let _ = session.read_u8().await;
        }
    });
    (address.await, identity)
}

async fn look(at: SocketAddr, starttls: Option<StartTls>, deadline: Duration) -> Result<Presented, ProbeError> {
    let address = ProbeAddress::parse(&at.to_string(), Some("shop.test"), starttls).expect("an address");
    let mut sightings = handshake(&address, deadline).await;
    assert_eq!(sightings.len(), 1);
    assert_eq!(sightings[0].endpoint, at.to_string());
    sightings.remove(0).seen
}

const SMTP: &[(&str, &str)] = &[
    ("", "220-mail.test here\r\n220 ready\r\n"),
    ("EHLO [127.0.0.1]\r\n", "250-mail.test\r\n250-PIPELINING\r\n250 starttls\r\n"),
    ("STARTTLS\r\n", "220 go ahead\r\n"),
];
const IMAP: &[(&str, &str)] =
    &[("", "* OK [CAPABILITY IMAP4rev2 STARTTLS] ready\r\n"), ("k1 STARTTLS\r\n", "* BUSY\r\nk1 OK begin\r\n")];
const POSTGRES: &[(&str, &str)] = &[("\u{4}", "S")];

#[tokio::test]
async fn the_leaf_and_its_chain_are_seen_in_both_versions_and_after_each_start() {
    let both: &[_] = &[&rustls::version::TLS13, &rustls::version::TLS12];
    for (script, starttls, versions) in [
        (&[][..], None, both),
        (&[][..], None, &[&rustls::version::TLS12][..]),
        (&[][..], None, &[&rustls::version::TLS13][..]),
        (SMTP, Some(StartTls::Smtp), both),
        (IMAP, Some(StartTls::Imap), both),
        (POSTGRES, Some(StartTls::Postgres), both),
    ] {
        let (at, identity) = tls(script, versions, false).await;
        let presented = look(at, starttls, SOON).await.unwrap_or_else(|error| panic!("{starttls:?}: {error}"));
        assert_eq!(presented.leaf_der, identity.certificate.as_ref());
        assert_eq!(presented.chain_der, [identity.certificate.to_vec()]);
        assert_eq!(presented.leaf_sha256().len(), 64);
    }
}

#[tokio::test]
async fn a_server_that_asks_for_our_certificate_has_shown_its_own() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let (at, identity) = tls(&[], &[version], true).await;
        assert_eq!(look(at, None, SOON).await.expect("seen").leaf_der, identity.certificate.as_ref());
    }
}

/// Signs with a key that is not the certificate's.
#[tokio::test]
async fn a_copied_certificate_without_its_key_proves_nothing() {
    let (mine, stolen) = (identity(), identity());
    let key = rustls::crypto::ring::sign::any_supported_type(&mine.key).expect("a key");
    let certified = rustls::sign::CertifiedKey::new(vec![stolen.certificate], key);
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[version])
            .expect("a version")
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(certified.clone())));
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let at = scripted(&[], move |socket| async move {
            let _ = acceptor.accept(socket).await;
        });
        let seen = look(at.await, None, SOON).await;
        assert!(matches!(seen, Err(ProbeError::Tls(_))), "{seen:?}");
    }
}

#[tokio::test]
async fn what_is_sent_along_with_the_agreement_is_refused() {
    const SMTP_AND_MORE: &[(&str, &str)] = &[SMTP[0], SMTP[1], ("STARTTLS\r\n", "220 go ahead\r\n250 and more\r\n")];
    const IMAP_AND_MORE: &[(&str, &str)] = &[IMAP[0], ("k1 STARTTLS\r\n", "k1 OK begin\r\n* OK more\r\n")];
    for (script, starttls) in
        [(SMTP_AND_MORE, StartTls::Smtp), (IMAP_AND_MORE, StartTls::Imap), (&[("\u{4}", "Sx")][..], StartTls::Postgres)]
    {
        let (at, _) = tls(script, &[&rustls::version::TLS13], false).await;
        assert_eq!(look(at, Some(starttls), SOON).await, Err(ProbeError::Injected), "{starttls:?}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_start_tls_says_so_itself() {
    const NO_OFFER: &[(&str, &str)] = &[SMTP[0], ("EHLO", "250-mail.test\r\n250 PIPELINING\r\n")];
    const NOT_NOW: &[(&str, &str)] = &[SMTP[0], SMTP[1], ("STARTTLS", "454 not now\r\n")];
    const IMAP_NO: &[(&str, &str)] = &[IMAP[0], ("k1 STARTTLS\r\n", "k1 NO never\r\n")];
    for (script, starttls) in [
        (NO_OFFER, StartTls::Smtp),
        (NOT_NOW, StartTls::Smtp),
        (IMAP_NO, StartTls::Imap),
        (&[("", "* BYE\r\n")][..], StartTls::Imap),
        (&[("\u{4}", "N")][..], StartTls::Postgres),
    ] {
        let at = scripted(script, |mut socket| async move {
            let _ = socket.read_u8().await;
        });
        let seen = look(at.await, Some(starttls), SOON).await;
        assert!(matches!(seen, Err(ProbeError::NoStartTls(_))), "{seen:?}");
    }
}

#[tokio::test]
async fn another_protocol_is_told_from_silence() {
    for starttls in [None, Some(StartTls::Smtp), Some(StartTls::Imap), Some(StartTls::Postgres)] {
        let at = scripted(&[("", "SSH-2.0-OpenSSH\r\nand something more\r\n")], |mut socket| async move {
            let mut rest = Vec::new();
            let _ = socket.read_to_end(&mut rest).await;
        });
        let seen = look(at.await, starttls, SOON).await;
        // PostgreSQL's `S` is the first letter of this greeting too; then more came than was agreed.
        let expected = matches!(seen, Err(ProbeError::OtherProtocol { .. } | ProbeError::Injected));
        assert!(expected, "{starttls:?}: {seen:?}");
    }
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up_at_the_deadline() {
    for starttls in [None, Some(StartTls::Smtp), Some(StartTls::Imap), Some(StartTls::Postgres)] {
        let at = scripted(&[], |socket| async move {
            std::future::pending::<()>().await;
            drop(socket);
        });
        let seen = look(at.await, starttls, Duration::from_millis(200)).await;
        assert!(matches!(seen, Err(ProbeError::TimedOut { .. })), "{starttls:?}: {seen:?}");
    }
}

#[tokio::test]
async fn a_server_that_closes_is_told_as_that() {
    for starttls in [None, Some(StartTls::Smtp), Some(StartTls::Imap), Some(StartTls::Postgres)] {
        let at = scripted(&[], |socket| async move { drop(socket) });
        let seen = look(at.await, starttls, SOON).await;
        assert!(matches!(seen, Err(ProbeError::Closed { .. })), "{starttls:?}: {seen:?}");
    }
}

#[tokio::test]
async fn a_server_that_talks_without_end_is_not_listened_to() {
    for starttls in [StartTls::Smtp, StartTls::Imap] {
        let at = scripted(&[], |mut socket| async move { while socket.write_all(b"220-x220-x").await.is_ok() {} });
        assert_eq!(look(at.await, Some(starttls), SOON).await, Err(ProbeError::TooLong));
    }
}

#[tokio::test]
async fn no_listener_and_no_name_are_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let at = listener.local_addr().expect("an address");
    drop(listener);
    assert!(matches!(look(at, None, SOON).await, Err(ProbeError::NotConnected(_))));
    let nowhere = ProbeAddress::parse("nowhere.invalid:443", None, None).expect("an address");
    let sightings = handshake(&nowhere, SOON).await;
    assert!(matches!(sightings[0].seen, Err(ProbeError::NoAddress(_))), "{sightings:?}");
}

#[tokio::test]
async fn every_address_of_a_name_is_an_endpoint() {
    let identity = identity();
    let acceptor = server(&identity, &[&rustls::version::TLS13], false);
    let four = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let port = four.local_addr().expect("an address").port();
    // Where this host has no IPv6, the name has one address, or one that does not answer.
    let six = TcpListener::bind(("::1", port)).await.ok();
    let six_is_heard = six.is_some();
    for listener in std::iter::once(four).chain(six) {
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let _ = acceptor.accept(socket).await;
            }
        });
    }
    let addresses = tokio::net::lookup_host(("localhost", port)).await.expect("found");
    let addresses: std::collections::BTreeSet<_> = addresses.collect();
    let address = ProbeAddress::parse(&format!("localhost:{port}"), None, None).expect("an address");
    let sightings = handshake(&address, SOON).await;
    assert!((1..=addresses.len()).contains(&sightings.len()), "{sightings:?}");
    assert!(!six_is_heard || sightings.len() == addresses.len(), "{sightings:?}");
    assert!(sightings.iter().any(|sighting| sighting.seen.is_ok()), "{sightings:?}");
}
