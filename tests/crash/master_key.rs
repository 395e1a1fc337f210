//! Proof 57: the master key stands in its own file alone, whatever the daemon was made to do.

mod proofs {
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::sync::Arc;

    use anyhow::{Context, Result, ensure};
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
    use serde_json::{Value, json};

    use crate::support::daemon::Daemon;
    use crate::support::oracle;
    use crate::support::proof::Proof;
    use crate::support::scene::{QUIET, SETTLING, Scene, start_server};
    use crate::support::shared::{SharedStore, quick};

    /// The lines with keys of a daemon's file.
    fn keys_of(daemon: &Daemon) -> Result<Vec<String>> {
        let text = fs::read_to_string(daemon.data().join("master.key")).context("read the keys")?;
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
        Ok(lines.filter(|line| !line.is_empty()).map(str::to_owned).collect())
    }

    fn hex_of(bytes: &[u8]) -> String {
        let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect()
    }

    /// Every form in which a key might be written down.
    fn forms_of(line: &str) -> Result<Vec<Vec<u8>>> {
        let raw = STANDARD.decode(line).context("a key is 32 bytes in base 64")?;
        ensure!(raw.len() == 32, "a key of {} bytes", raw.len());
        let hex = hex_of(&raw);
        let escaped = line.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        let list = raw.iter().map(ToString::to_string).collect::<Vec<_>>();
        let texts = [
            hex.to_uppercase(),
            hex,
            escaped,
            STANDARD_NO_PAD.encode(&raw),
            URL_SAFE.encode(&raw),
            URL_SAFE_NO_PAD.encode(&raw),
            list.join(","),
            list.join(", "),
        ];
        Ok(texts.into_iter().map(String::into_bytes).chain([raw]).collect())
    }

    fn files_below(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
        for entry in fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                files_below(&entry.path(), found)?;
            } else if kind.is_file() {
                found.push(entry.path());
            }
        }
        Ok(())
    }

    /// Whether a text holds a key in some form.
    fn holds(text: &[u8], forms: &[Vec<u8>]) -> bool {
        forms.iter().any(|form| text.windows(form.len()).any(|part| part == form.as_slice()))
    }

    /// The files that hold a key in some form, and how many were read.
    async fn search_files(files: &[PathBuf], forms: &[Vec<u8>]) -> Result<(Vec<String>, u64)> {
        let asked = json!({ "forms": forms.iter().map(|form| hex_of(form)).collect::<Vec<_>>(), "files": files });
        let answer = oracle::search(&asked).await?;
        let found = answer["found"].as_array().context("a list")?.iter().filter_map(Value::as_str);
        Ok((found.map(str::to_owned).collect(), answer["read"].as_u64().unwrap_or(0)))
    }

    /// Asks for all that prints or copies; answers what was printed.
    async fn flow(scene: &Scene, backup: &Path) -> Result<Vec<(String, Vec<u8>)>> {
        scene.adopt_single("app").await?;
        scene.daemon.put_secret("note", json!({ "text": "kept" })).await?;
        let backup = backup.display().to_string();
        let config = scene.daemon.config().display().to_string();
        let commands: [&[&str]; 12] = [
            &["keys", "rotate"],
            &["keys", "rotate", "--roots"],
            &["keys", "show"],
            &["rotate", "app", "--wait", "--acknowledge", "cuts-overlap"],
            &["secret", "get", "app"],
            &["events"],
            &["status"],
            &["doctor"],
            &["config", "check", "--config", &config],
            &["backup", "create", &backup],
            &["backup", "verify", &backup],
            &["init", "--config", &config],
        ];
        let mut printed = Vec::new();
        for command in commands {
            let output = scene.daemon.cli(command, None).await?;
            printed.push((format!("{command:?}"), [output.stdout, output.stderr].concat().into_bytes()));
        }
        scene.daemon.settle(SETTLING).await?;
        for path in ["/metrics", "/api/v1/keys", "/api/v1/events?limit=1000"] {
            printed.push((path.to_owned(), scene.daemon.get(path).await?.text().into_bytes()));
        }
        let pid = scene.daemon.pid()?;
        for name in ["cmdline", "environ"] {
            printed.push((name.to_owned(), fs::read(format!("/proc/{pid}/{name}"))?));
        }
        Ok(printed)
    }

    /// Lets a daemon do all it can, and looks at whatever it left. Answers the places.
    async fn search(mut scene: Scene, kept: Option<&Path>) -> Result<u64> {
        let mut keys = keys_of(&scene.daemon)?;
        let backup = scene.daemon.folder().join("backup.db");
        let places = flow(&scene, &backup).await?;
        keys.extend(keys_of(&scene.daemon)?);
        ensure!(kept.is_some() || backup.is_file(), "no backup was made: {}", scene.daemon.stderr());
        scene.daemon.kill9().await?;
        let mut files = Vec::new();
        let mut folders = vec![scene.daemon.folder().to_owned(), scene.server.socket_folder().to_owned()];
        folders.extend(kept.map(Path::to_owned));
        for folder in &folders {
            files_below(folder, &mut files)?;
        }
        let own = scene.daemon.data().join("master.key");
        keys.sort();
        keys.dedup();
        ensure!(keys.len() >= 2, "the master key was not rotated");
        let mut forms = Vec::new();
        for key in &keys {
            forms.push(key.clone().into_bytes());
            forms.extend(forms_of(key)?);
        }
        for (place, text) in &places {
            ensure!(!holds(text, &forms), "a master key stands in {place}");
        }
        let (found, read) = search_files(&files, &forms).await?;
        ensure!(found == [own.display().to_string()], "a master key stands in {found:?}");
        Ok(places.len() as u64 + read)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_master_key_stands_in_its_own_file_alone() -> Result<()> {
        let proof = Proof::begin("57", "places without a master key");
        let loud = |config: &str| format!("{config}[log]\nlevel = \"trace\"\n");
        let on_file = search(Scene::start(&loud(QUIET)).await?, None).await?;
        let (server, kept) = (start_server().await?, start_server().await?);
        let store = SharedStore::make(&kept, "kept", kept.port(), &loud(&quick()));
        let port = server.port();
        let scene = Scene::on_postgres(Arc::clone(&server), store, port).await?;
        let on_server = search(scene, Some(kept.socket_folder())).await?;
        proof.end(on_file + on_server, 2_000)
    }

    #[test]
    fn a_key_is_found_in_whatever_form_it_stands() -> Result<()> {
        let raw: Vec<u8> = (200..232).collect();
        let forms = forms_of(&STANDARD.encode(&raw))?;
        for form in &forms {
            let text = [b"before ".as_slice(), form, b" after"].concat();
            assert!(holds(&text, &forms));
        }
        assert!(!holds(&raw[..31], &forms));
        Ok(())
    }
}
