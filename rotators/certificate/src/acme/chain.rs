//! What an authority hands out: a leaf and its intermediates, as PEM. Whether they are what was asked for is judged
//! elsewhere; here they are taken apart, so that nothing but certificates comes along.

use super::error::AcmeError;
use crate::x509::Certificate;

/// No chain is longer.
const MOST_CERTIFICATES: usize = 10;

/// A certificate and what the authority sent with it, the leaf's issuer first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// The certificate.
    pub leaf: Certificate,
    /// The intermediates; a few authorities add their root.
    pub intermediates: Vec<Certificate>,
}

impl Chain {
    pub(super) fn parse(pem: &str) -> Result<Self, AcmeError> {
        let found = Certificate::list_pem(pem).map_err(|cause| AcmeError::garbled("certificate", cause))?;
        if found.len() > MOST_CERTIFICATES {
            return Err(AcmeError::garbled("certificate", format!("{} certificates in one chain", found.len())));
        }
        let mut found = found.into_iter();
        let leaf = found.next().ok_or_else(|| AcmeError::garbled("certificate", "there is none in it"))?;
        Ok(Self { leaf, intermediates: found.collect() })
    }
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
        let chain = Chain::parse(&format!("{}\n{}", one.pem(), two.pem())).expect("a chain");
        assert_eq!(chain.leaf.der(), &one.der()[..]);
        assert_eq!(chain.intermediates.iter().map(Certificate::der).collect::<Vec<_>>(), [&two.der()[..]]);
    }

    #[test]
    fn an_answer_without_a_certificate_is_garbled() {
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for odd in ["", "<html>", broken, &certificate().pem().repeat(11)] {
            assert_eq!(Chain::parse(odd).expect_err("refused").code, "acme-answer-garbled", "{odd}");
        }
    }
}
