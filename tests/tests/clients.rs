//! What tools make of the API's description works: two clients tell a story, and a fuzzer finds nothing.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use stories::crm::Crm;
use stories::servers::{Folder, tools};

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// Runs it in this folder; what it said, or why it failed.
fn run(folder: &Path, program: impl AsRef<OsStr>, arguments: &[&OsStr]) -> Result<String, String> {
    let mut command = Command::new(program);
    let done = command.current_dir(folder).args(arguments).output();
    let done = done.map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
    if done.status.success() {
        Ok(said)
    } else {
        Err(format!(
            "{}: {}\n{said}",
            command.get_program().display(),
            done.status
        ))
    }
}

/// The arguments, of whatever kind each is.
macro_rules! arguments {
    ($($argument:expr),* $(,)?) => { &[$(AsRef::<OsStr>::as_ref($argument)),*] };
}

#[tokio::test]
async fn a_client_in_typescript_tells_a_story() {
    let crm = Crm::embedded().await;
    let work = Folder::new("typescript");
    let source = repository("tests/clients/typescript");
    for file in ["story.ts", "tsconfig.json", "package.json"] {
        std::fs::copy(source.join(file), work.path().join(file)).unwrap();
    }
    let modules = tools::installed("typescript/node_modules");
    assert!(
        modules.is_dir(),
        "run ops/test once, it installs {}",
        modules.display()
    );
    std::os::unix::fs::symlink(&modules, work.path().join("node_modules")).unwrap();
    let node = |arguments: &[&OsStr]| run(work.path(), "node", arguments);
    let description = repository("schemas/openapi.json");
    let generator = "node_modules/openapi-typescript/bin/cli.js";
    node(arguments![generator, &description, "-o", "api.ts"]).unwrap();
    node(arguments!["node_modules/typescript/bin/tsc", "-p", "."]).unwrap();
    let told = node(arguments!["built/story.js", crm.url(0), crm.key()]).unwrap();
    assert_eq!(told.trim(), "told");
}

#[tokio::test]
async fn a_client_in_python_tells_a_story() {
    let crm = Crm::embedded().await;
    let work = Folder::new("python");
    let source = repository("tests/clients/python");
    let python = tools::python();
    let generator = python.with_file_name("openapi-python-client");
    let said = run(
        work.path(),
        generator,
        arguments![
            "generate",
            "--path",
            &repository("schemas/openapi.json"),
            "--config",
            &source.join("config.yml"),
            "--meta",
            "none",
            "--fail-on-warning",
            "--output-path",
            "rapport_client",
        ],
    );
    said.unwrap();
    let python = |arguments: &[&OsStr]| run(work.path(), &python, arguments);
    python(arguments!["-m", "compileall", "-q", "rapport_client"]).unwrap();
    std::fs::copy(source.join("story.py"), work.path().join("story.py")).unwrap();
    let told = python(arguments!["story.py", crm.url(0), crm.key()]).unwrap();
    assert_eq!(told.trim(), "told");
}

#[tokio::test]
async fn a_fuzzer_finds_nothing_that_the_description_does_not_say() {
    let crm = Crm::embedded().await;
    let work = Folder::new("schemathesis");
    let key = format!("X-API-Key: {}", crm.key());
    let said = run(
        work.path(),
        tools::python().with_file_name("schemathesis"),
        arguments![
            "--config-file",
            &repository("tests/clients/schemathesis.toml"),
            "run",
            &repository("schemas/openapi.json"),
            "--url",
            crm.url(0),
            "--header",
            &key,
            "--checks",
            "all",
            "--phases",
            "coverage,fuzzing,stateful",
            "--max-examples",
            "20",
            "--seed",
            "9",
            "--workers",
            "2",
            "--suppress-health-check",
            "all",
            "--generation-database",
            "none",
        ],
    );
    said.unwrap_or_else(|found| panic!("{found}"));
}
