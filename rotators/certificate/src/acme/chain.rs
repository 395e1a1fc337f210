//! What an authority hands out: a leaf and its intermediates, as PEM. Whether they are what was asked for is judged
//! elsewhere; here they are taken apart, and written anew, so that nothing but certificates comes along.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::error::AcmeError;

/// No chain is longer.
const MOST_CERTIFICATES: usize = 10;

/// A certificate and the intermediates up to, and without, its root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// The certificate, as PEM.
    pub leaf: String,
    /// The intermediates, the leaf's issuer first, each as PEM.
    pub intermediates: Vec<String>,
}

impl Chain {
    pub(super) fn parse(pem: &str) -> Result<Self, AcmeError> {
        let mut found = Vec::new();
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = certificate.map_err(|cause| AcmeError::garbled("certificate", cause))?;
            x509_parser::parse_x509_certificate(&certificate)
                .map_err(|cause| AcmeError::garbled("certificate", cause))?;
            found.push(pem_of(&certificate));
        }
        if found.len() > MOST_CERTIFICATES {
            return Err(AcmeError::garbled("certificate", format!("{} certificates in one chain", found.len())));
        }
        let mut found = found.into_iter();
        let leaf = found.next().ok_or_else(|| AcmeError::garbled("certificate", "there is none in it"))?;
        Ok(Self { leaf, intermediates: found.collect() })
    }
}

fn pem_of(der: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(der);
    let mut pem = String::with_capacity(text.len() + text.len() / 64 + 64);
    pem.push_str("-----BEGIN CERTIFICATE-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate() -> rcgen::Certificate {
        let key = rcgen::KeyPair::generate().expect("a key");
        let params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).expect("parameters");
        params.self_signed(&key).expect("a certificate")
    }

    #[test]
    fn the_first_is_the_leaf_and_the_rest_are_intermediates() {
        let (one, two) = (certificate(), certificate());
        let chain = Chain::parse(&format!("noise\n{}\n{}", one.pem(), two.pem())).expect("a chain");
        let lines = |pem: &str| pem.replace("\r\n", "\n");
        assert_eq!((chain.leaf, chain.intermediates), (lines(&one.pem()), vec![lines(&two.pem())]));
    }

    #[test]
    fn an_answer_without_a_certificate_is_garbled() {
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for odd in ["", "<html>", broken, &certificate().pem().repeat(11)] {
            assert_eq!(Chain::parse(odd).expect_err("refused").code, "acme-answer-garbled", "{odd}");
        }
    }
}
