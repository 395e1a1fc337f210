//! What is ordered in tests, and what keeps its address.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use keywheel_certificate::acme::{Chain, OrderRequest, Progress};
use keywheel_contract::Failure;
use rcgen::{CertificateParams, KeyPair, PublicKeyData};
use x509_parser::certificate::X509Certificate;

/// A key, its names and its signing request.
pub(crate) struct Wish {
    pub(crate) names: Vec<String>,
    pub(crate) key: KeyPair,
    pub(crate) csr_der: Vec<u8>,
}

impl Wish {
    pub(crate) fn for_names(names: &[&str]) -> Self {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(names.clone()).expect("names");
        params.distinguished_name = rcgen::DistinguishedName::new();
        let csr_der = params.serialize_request(&key).expect("a request").der().to_vec();
        Self { names, key, csr_der }
    }

    pub(crate) fn request(&self) -> OrderRequest<'_> {
        let within = Duration::from_secs(30);
        OrderRequest { names: &self.names, csr_der: &self.csr_der, profile: None, replaces: None, resume: None, within }
    }

    /// Asserts that the leaf is of this key and these names.
    pub(crate) fn assert_met_by(&self, chain: &Chain) {
        let (_, leaf) = x509_parser::parse_x509_certificate(chain.leaf.der()).expect("a certificate");
        assert_eq!(leaf.public_key().raw, self.key.subject_public_key_info(), "the leaf is of another key");
        let mut names = names_of(&leaf);
        names.sort();
        let mut wanted = self.names.clone();
        wanted.sort();
        assert_eq!(names, wanted);
    }
}

fn names_of(leaf: &X509Certificate<'_>) -> Vec<String> {
    use x509_parser::extensions::GeneralName;
    let names = leaf.subject_alternative_name().expect("readable names").expect("names");
    let text = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => (*name).to_owned(),
        GeneralName::IPAddress([a, b, c, d]) => format!("{a}.{b}.{c}.{d}"),
        other => format!("{other:?}"),
    };
    names.value.general_names.iter().map(text).collect()
}

/// Keeps the address of the last order, in memory.
#[derive(Default)]
pub(crate) struct Kept(Mutex<Vec<String>>);

impl Kept {
    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn last(&self) -> String {
        self.all().pop().expect("an order's address was kept")
    }
}

#[async_trait]
impl Progress for Kept {
    async fn ordered(&self, _directory: &str, order_url: &str) -> Result<(), Failure> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(order_url.to_owned());
        Ok(())
    }
}
