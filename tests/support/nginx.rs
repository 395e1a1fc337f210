//! nginx on a free port, which reads its certificate through the link that keywheel switches.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use super::wait::{eventually_blocking, free_port};

const LIMIT: Duration = Duration::from_secs(20);

/// A server that is started by its reload hook when there is something to serve.
#[derive(Debug)]
pub(crate) struct Nginx {
    folder: TempDir,
    tls: PathBuf,
    pub(crate) ports: Vec<u16>,
}

impl Nginx {
    /// Writes the configuration; nothing runs yet. It listens on so many ports, with one certificate.
    pub(crate) fn prepare(listeners: usize) -> Result<Self> {
        Self::reading(None, listeners)
    }

    /// Another process that reads the files of this one.
    pub(crate) fn beside(&self, listeners: usize) -> Result<Self> {
        Self::reading(Some(self.tls()), listeners)
    }

    fn reading(tls: Option<PathBuf>, listeners: usize) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("kwnginx").tempdir().context("make nginx's folder")?;
        let ports = (0..listeners).map(|_| free_port()).collect::<Result<Vec<_>>>()?;
        let tls = tls.unwrap_or_else(|| folder.path().join("tls"));
        let nginx = Self { folder, tls, ports };
        fs::create_dir_all(nginx.tls()).context("make the install root")?;
        fs::create_dir_all(nginx.folder.path().join("logs"))?;
        nginx.configure()?;
        Ok(nginx)
    }

    fn configure(&self) -> Result<()> {
        let (root, tls) = (self.folder.path().display(), self.tls().join("shop/current"));
        let listen =
            self.ports.iter().map(|port| format!("listen 127.0.0.1:{port} ssl; ")).collect::<Vec<_>>().concat();
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|kind| format!("{kind}_temp_path {root}/{kind}; "))
            .collect::<Vec<_>>()
            .concat();
        let text = format!(
            "daemon on; master_process on; worker_processes 1; pid {root}/pid; error_log {root}/logs/error.log;\n\
             user root;\nevents {{}}\nhttp {{ access_log off; {temporary}\n server {{ {listen}\n ssl_certificate \
             {tls}/fullchain.pem; ssl_certificate_key {tls}/key.pem;\n location / {{ return 200 \"served\\n\"; }} }} }}\n",
            tls = tls.display()
        );
        fs::write(self.folder.path().join("nginx.conf"), text).context("write nginx.conf")
    }

    /// The folder that is an install root.
    pub(crate) fn tls(&self) -> PathBuf {
        self.tls.clone()
    }

    /// Where the certificate is read.
    pub(crate) fn current(&self) -> PathBuf {
        self.tls().join("shop/current")
    }

    /// The part of the daemon's configuration file: the install root `nginx`, the hooks `nginx` and `nginx-check`.
    pub(crate) fn config(&self) -> String {
        let quoted = |words: &[String]| words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
        format!(
            "[[install_root]]\nname = \"nginx\"\npath = \"{}\"\n[[hook]]\nname = \"nginx\"\nargv = [{}]\ntimeout = \
             \"20s\"\n[[hook]]\nname = \"nginx-check\"\nargv = [{}]\ntimeout = \"20s\"\n",
            self.tls().display(),
            quoted(&["/bin/sh".to_owned(), self.reload_script().display().to_string()]),
            quoted(&self.command(&["-t"])),
        )
    }

    /// Starts it where it does not run, else has it read its files again.
    pub(crate) fn reload_script(&self) -> PathBuf {
        let script = self.folder.path().join("reload.sh");
        let (start, reload) = (self.command(&[]).join(" "), self.command(&["-s", "reload"]).join(" "));
        let pid = self.folder.path().join("pid");
        let text = format!("if test -s {pid}; then exec {reload}; else exec {start}; fi\n", pid = pid.display());
        fs::write(&script, text).expect("the folder is ours");
        script
    }

    /// Has it read its files again; starts it where it does not run.
    pub(crate) fn reload(&self) -> Result<()> {
        let output = Command::new("/bin/sh").arg(self.reload_script()).output().context("run the reload script")?;
        ensure!(output.status.success(), "nginx did not reload: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    fn command(&self, arguments: &[&str]) -> Vec<String> {
        let folder = self.folder.path().display().to_string();
        let conf = format!("{folder}/nginx.conf");
        let own = ["-q", "-p", &folder, "-c", &conf, "-e", &format!("{folder}/logs/error.log")].map(str::to_owned);
        std::iter::once(program()).chain(own).chain(arguments.iter().map(|word| (*word).to_owned())).collect()
    }

    /// What it wrote about its troubles.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("logs/error.log")).unwrap_or_default()
    }

    fn pid(&self) -> Option<i32> {
        fs::read_to_string(self.folder.path().join("pid")).ok()?.trim().parse().ok()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let Some(pid) = self.pid().and_then(rustix::process::Pid::from_raw) else { return };
        if rustix::process::kill_process(pid, rustix::process::Signal::TERM).is_ok() {
            let gone = || rustix::process::test_kill_process(pid).is_err().then_some(());
            let _ = eventually_blocking(LIMIT, "nginx ended", gone);
        }
    }
}

fn program() -> String {
    let places = ["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/sbin/nginx"];
    let found = places.into_iter().find(|place| Path::new(place).exists());
    found.expect("nginx is missing: install Debian's package `nginx-light`").to_owned()
}

/// What an independent client sees at a port: the PEM of the leaf that is presented to it, verified by `ca`. A worker
/// that is about to end after a reload may still take a connection, so three looks in a row must agree.
pub(crate) fn presented(port: u16, name: &str, ca: &Path) -> Result<String> {
    let mut last = look(port, name, ca)?;
    let mut agreeing = 1;
    for _ in 0..30 {
        let seen = look(port, name, ca)?;
        agreeing = if seen == last { agreeing + 1 } else { 1 };
        last = seen;
        if agreeing == 3 {
            return Ok(last);
        }
    }
    anyhow::bail!("the port presents one certificate and then another")
}

fn look(port: u16, name: &str, ca: &Path) -> Result<String> {
    presented_with(&[], port, name, ca)
}

/// The same with more arguments for openssl, such as a protocol that begins in the clear.
pub(crate) fn presented_with(more: &[&str], port: u16, name: &str, ca: &Path) -> Result<String> {
    let output = Command::new("openssl")
        .args([
            "s_client",
            "-connect",
            &format!("127.0.0.1:{port}"),
            "-servername",
            name,
            "-partial_chain",
            "-verify_return_error",
        ])
        .args(["-verify_hostname", name, "-CAfile", &ca.display().to_string()])
        .args(more)
        .stdin(std::process::Stdio::null())
        .output()
        .context("run openssl")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let start = text.find("-----BEGIN CERTIFICATE-----").context("a certificate")?;
    let marker = "-----END CERTIFICATE-----";
    let end = text[start..].find(marker).context("its end")? + start + marker.len();
    Ok(format!("{}\n", &text[start..end]))
}
