//! What was typed and set, read: a refusal names the setting, what is allowed, and no secret.
//!
//! clap repeats a refused value; where the setting is a secret, that would print it, into a terminal or
//! a log of a container.

use std::error::Error as _;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, CommandFactory as _, Parser as _};

use crate::cli::Cli;

/// The command line and the environment, with what `.env` adds to it; prints why there is none.
pub fn read() -> Result<Cli, std::process::ExitCode> {
    // A missing .env is no error; a broken one would be read half.
    if let Err(error) = dotenvy::dotenv()
        && !error.not_found()
    {
        eprintln!("error: {}", unreadable(&error));
        return Err(std::process::ExitCode::FAILURE);
    }
    Cli::try_parse().map_err(|error| match refused_setting(&Cli::command(), &error) {
        Some(sentence) => {
            eprintln!("error: {sentence}");
            std::process::ExitCode::from(2)
        }
        None => error.exit(),
    })
}

/// Which setting of `.env` cannot be read, without what it is set to.
fn unreadable(error: &dotenvy::Error) -> String {
    let dotenvy::Error::LineParse(line, _) = error else {
        return format!(".env cannot be read: {error}");
    };
    let line = line.trim_start();
    let line = line.strip_prefix("export ").unwrap_or(line);
    let name = line.split('=').next().unwrap_or_default().trim();
    let is_name = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    if line.contains('=') && is_name(name) {
        format!(".env: the value of {name} cannot be read; put it in single quotes, as {name}='…'")
    } else {
        ".env: a line cannot be read; each is NAME=value, a comment that begins with #, or empty"
            .into()
    }
}

/// A value that a setting refuses: by the name of its variable, and only where it is no secret by value.
fn refused_setting(command: &Command, error: &clap::Error) -> Option<String> {
    if error.kind() != ErrorKind::ValueValidation {
        return None;
    }
    let flag = text(error, ContextKind::InvalidArg)?;
    let flag = flag.split_whitespace().next()?.trim_start_matches('-');
    let setting = find(command, flag)?;
    let name = setting.get_env()?.to_str()?;
    let reason = error.source()?.to_string();
    if setting.is_hide_env_values_set() {
        return Some(format!("{name} {reason}"));
    }
    let value = text(error, ContextKind::InvalidValue).unwrap_or_default();
    Some(format!("{name} {reason}; it is '{value}'"))
}

fn text(error: &clap::Error, kind: ContextKind) -> Option<&str> {
    if let ContextValue::String(text) = error.get(kind)? {
        return Some(text);
    }
    None
}

fn find<'a>(command: &'a Command, flag: &str) -> Option<&'a Arg> {
    let here = command
        .get_arguments()
        .find(|arg| arg.get_long() == Some(flag));
    here.or_else(|| {
        command
            .get_subcommands()
            .find_map(|below| find(below, flag))
    })
}

#[cfg(test)]
mod tests {
    use super::unreadable;

    fn told(line: &str) -> String {
        unreadable(&dotenvy::Error::LineParse(line.into(), 3))
    }

    #[test]
    fn a_broken_line_names_its_setting_and_not_its_value() {
        let told_of_key = told("OPENAI_API_KEY=sk s3cret");
        assert!(told_of_key.contains("OPENAI_API_KEY") && !told_of_key.contains("s3cret"));
        assert!(told("export A='s3cret").contains("the value of A"));
        for line in ["s3cret", "s3 cret=1"] {
            assert!(!told(line).contains("s3"), "{}", told(line));
        }
    }
}
