//! A real PostgreSQL server of a test's own: a fresh cluster in a temporary folder, on a free loopback port, under an
//! unprivileged account, with every statement in its log.
//!
//! A shell watches over the server: when the test process ends, however it ends, the server is stopped and its
//! folder removed. Checks go through `psql`, which shares no code with what is tested.

use std::{
    fmt::Write as _,
    fs,
    io::Read,
    net::TcpListener,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use super::wait::eventually_blocking;

/// The superuser `postgres` of every test server has this password.
pub(crate) const ADMIN_PASSWORD: &str = "canary-admin-3f8a";

/// Where servers that refuse root run.
const NOBODY: u32 = 65_534;

/// What a server is started with.
#[derive(Default)]
pub(crate) struct Builder {
    lines: Vec<String>,
    hba: Vec<String>,
    files: Vec<(String, Vec<u8>)>,
}

impl Builder {
    /// Adds a line to `postgresql.conf`.
    #[must_use]
    pub(crate) fn line(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }

    /// Adds a line at the head of `pg_hba.conf`.
    #[must_use]
    pub(crate) fn hba(mut self, line: &str) -> Self {
        self.hba.push(line.to_owned());
        self
    }

    /// Puts a file of mode 0600 into the data folder.
    #[must_use]
    pub(crate) fn file(mut self, name: &str, content: &[u8]) -> Self {
        self.files.push((name.to_owned(), content.to_vec()));
        self
    }

    /// Starts the server and waits until it answers.
    pub(crate) fn start(self) -> PostgresServer {
        PostgresServer::start_with(&self)
    }
}

/// A running server.
pub(crate) struct PostgresServer {
    folder: PathBuf,
    port: u16,
    watcher: Child,
}

impl PostgresServer {
    /// Starts a server with the defaults.
    pub(crate) fn start() -> Self {
        Builder::default().start()
    }

    /// Starts from settings.
    pub(crate) fn builder() -> Builder {
        Builder::default()
    }

    fn start_with(builder: &Builder) -> Self {
        let folder = tempfile::Builder::new().prefix("keywheel-pg-").tempdir().expect("a temporary folder").keep();
        let port = free_port();
        let password = folder.join("password");
        fs::write(&password, ADMIN_PASSWORD).expect("the password file is written");
        give(&folder);
        give(&password);
        let data = folder.join("data");
        let initdb = unprivileged(&program("initdb"))
            .args(["-U", "postgres", "-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"])
            .arg("-D")
            .arg(&data)
            .arg(format!("--pwfile={}", password.display()))
            .current_dir(&folder)
            .output()
            .expect("initdb runs");
        assert!(initdb.status.success(), "initdb: {}", String::from_utf8_lossy(&initdb.stderr));
        configure(builder, &folder, &data, port);
        let server = Self { watcher: watch(&folder, &data), folder, port };
        server.wait_until_ready(&data);
        server
    }

    /// The loopback port that it listens on.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The folder of its unix socket.
    pub(crate) fn socket_folder(&self) -> &Path {
        &self.folder
    }

    /// The process id of the postmaster.
    pub(crate) fn pid(&self) -> u32 {
        let text = fs::read_to_string(self.folder.join("pid")).expect("the watcher wrote the pid");
        text.trim().parse().expect("a number")
    }

    /// The command that has it read its configuration and its certificate again, as its own user.
    pub(crate) fn reload_command(&self) -> Vec<String> {
        let command = unprivileged(&program("pg_ctl"));
        let named = command.get_program().to_string_lossy().into_owned();
        // A hook's program is named by its absolute path.
        let program = if named == "setpriv" { "/usr/bin/setpriv".to_owned() } else { named };
        let arguments = command.get_args().map(|word| word.to_string_lossy().into_owned());
        let words = std::iter::once(program).chain(arguments);
        let data = self.folder.join("data").display().to_string();
        words.chain(["reload".to_owned(), "-D".to_owned(), data]).collect()
    }

    /// The user and group that servers run as, where that is not this process's.
    pub(crate) fn runs_as() -> Option<u32> {
        is_root().then_some(NOBODY)
    }

    /// Everything that the server has logged.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.folder.join("log")).expect("the log is read")).into_owned()
    }

    /// Runs statements as the superuser in `postgres` and answers the rows, unaligned, without headings.
    pub(crate) fn sql(&self, sql: &str) -> String {
        self.sql_in("postgres", sql)
    }

    /// The same in another database.
    pub(crate) fn sql_in(&self, database: &str, sql: &str) -> String {
        self.psql("postgres", ADMIN_PASSWORD, database, sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Whether a role can log in with a password, by psql's word.
    pub(crate) fn accepts(&self, role: &str, password: &str) -> bool {
        match self.psql(role, password, "postgres", "SELECT 1") {
            Ok(_) => true,
            Err(error) if error.contains("password authentication failed") => false,
            Err(error) => panic!("neither accepted nor refused: {error}"),
        }
    }

    /// Runs statements as any role; the error is what psql printed.
    pub(crate) fn psql(&self, role: &str, password: &str, database: &str, sql: &str) -> Result<String, String> {
        let output = self.psql_output(role, password, database, sql);
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned());
        }
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }

    fn psql_output(&self, role: &str, password: &str, database: &str, sql: &str) -> Output {
        Command::new(program("psql"))
            .args(["--no-psqlrc", "-qAtX", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p"])
            .arg(self.port.to_string())
            // A conninfo text would be read out of a name with `=`; the environment is taken as it is.
            .env("PGUSER", role)
            .env("PGDATABASE", database)
            .env("PGPASSWORD", password)
            .env("PGSSLMODE", "prefer")
            .env("PGCONNECT_TIMEOUT", "10")
            .env("LC_ALL", "C.UTF-8")
            .arg("-c")
            .arg(sql)
            .output()
            .expect("psql runs")
    }

    fn wait_until_ready(&self, data: &Path) {
        let ready = || self.psql("postgres", ADMIN_PASSWORD, "postgres", "SHOW data_directory").ok();
        let answer = eventually_blocking(Duration::from_secs(30), "the server is ready", ready);
        let answer = answer.unwrap_or_else(|error| panic!("{error}\n{}", self.log()));
        assert_eq!(Path::new(&answer), data, "another server answers on this port");
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        drop(self.watcher.stdin.take());
        let _ = self.watcher.wait();
    }
}

/// A port that nobody uses just now.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it has an address").port()
}

fn configure(builder: &Builder, folder: &Path, data: &Path, port: u16) {
    let mut conf = fs::read_to_string(data.join("postgresql.conf")).expect("initdb wrote it");
    write!(
        conf,
        "\nport = {port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{}'\nlog_statement = all\n\
         fsync = off\nlog_connections = on\nmax_connections = 60\nshared_buffers = 16MB\n",
        folder.display()
    )
    .expect("a string takes what is written");
    for line in &builder.lines {
        conf.push_str(line);
        conf.push('\n');
    }
    fs::write(data.join("postgresql.conf"), conf).expect("the configuration is written");
    let usual = fs::read_to_string(data.join("pg_hba.conf")).expect("initdb wrote it");
    fs::write(data.join("pg_hba.conf"), format!("{}\n{usual}", builder.hba.join("\n"))).expect("hba is written");
    for (name, content) in &builder.files {
        let path = data.join(name);
        fs::write(&path, content).expect("the file is written");
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("the mode is set");
        give(&path);
    }
}

/// Runs the server below a shell that stops it when this process is gone.
fn watch(folder: &Path, data: &Path) -> Child {
    let server = unprivileged(&program("postgres"));
    let argv: Vec<String> = std::iter::once(server.get_program())
        .chain(server.get_args())
        .map(|part| format!("'{}'", part.to_string_lossy()))
        .collect();
    let script = format!(
        "cd '{folder}'; {argv} -D '{data}' >'{folder}/log' 2>&1 & pid=$!; echo $pid >'{folder}/pid'; echo up; \
         cat >/dev/null; kill -INT $pid; wait $pid; rm -rf '{folder}'",
        folder = folder.display(),
        data = data.display(),
        argv = argv.join(" "),
    );
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    // A group of its own, so that an interrupt at the terminal reaches the watcher's input first.
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut watcher = command.spawn().expect("sh runs");
    let mut up = [0; 2];
    watcher.stdout.as_mut().expect("piped").read_exact(&mut up).expect("the watcher runs");
    watcher
}

/// A program of the server: in PATH, or where Debian puts them; the newest version wins.
fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.flatten().map(|entry| entry.path().join("bin")).collect())
        .unwrap_or_default();
    folders.sort();
    folders.reverse();
    folders.extend(std::env::split_paths(&path));
    let found = folders.into_iter().map(|folder| folder.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("`{name}` of PostgreSQL is neither in PATH nor below /usr/lib/postgresql"))
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The server refuses to run as root.
fn unprivileged(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args([format!("--reuid={NOBODY}"), format!("--regid={NOBODY}"), "--clear-groups".to_owned()]);
    command.arg(program);
    command
}

fn give(path: &Path) {
    if is_root() {
        chown(path, Some(NOBODY), Some(NOBODY)).expect("the owner is changed");
    }
}
