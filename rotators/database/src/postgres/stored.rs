//! The form in which a password is given to the server: what the settings ask for and the server is set to.

use keywheel_contract::{Failure, Random, SecretText, mint_password};
use zeroize::Zeroizing;

use super::{
    admin::Facts,
    job::{Credential, Job},
    md5, scram,
    settings::PasswordForm,
};

/// What `password_encryption` says on a server that stores SCRAM verifiers.
pub(crate) const SCRAM: &str = "scram-sha-256";

/// Computes what the server is given for a credential.
pub(crate) async fn stored_form(
    random: &dyn Random,
    form: PasswordForm,
    facts: &Facts,
    credential: Credential<'_>,
) -> Result<Zeroizing<String>, Failure> {
    match form {
        PasswordForm::Clear => Ok(Zeroizing::new(credential.password.to_owned())),
        PasswordForm::Md5 => Ok(md5::stored(credential.password, credential.role)),
        PasswordForm::Verifier if facts.encryption != SCRAM => Err(Failure::misconfigured(
            "secret.password_form",
            "postgres-md5-server",
            format!("the server's `password_encryption` is `{}`", facts.encryption),
            "set it to `scram-sha-256` at the server, or `password_form` to `md5` and acknowledge `md5-password`",
        )),
        PasswordForm::Verifier => {
            let mut salt = [0; 16];
            random.fill(&mut salt);
            let password = Zeroizing::new(credential.password.to_owned());
            scram::make_verifier(password, &salt, facts.rounds).await.map_err(|cause| {
                let sentence = format!("the verifier was not computed: {cause}");
                Failure::transient("postgres-verifier-lost", sentence, "nothing to do: it is tried again")
            })
        }
    }
}

/// A password that nobody knows and nobody keeps, by the secret's rules, at least 32 characters long.
pub(crate) fn unknown_password(random: &dyn Random, job: &Job) -> Result<SecretText, Failure> {
    let mut rules = job.secret.rules.clone();
    rules.length = rules.length.max(32);
    mint(random, &rules)
}

/// A password by the given rules.
pub(crate) fn mint(random: &dyn Random, rules: &keywheel_contract::PasswordRules) -> Result<SecretText, Failure> {
    mint_password(random, rules).map_err(|cause| {
        let sentence = format!("the password rules cannot be met: {cause}");
        Failure::misconfigured("secret.password", "postgres-setting-invalid", sentence, "change the rules")
    })
}
