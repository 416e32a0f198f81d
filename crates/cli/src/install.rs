//! Telling the user's shells about completion, and taking it back (docs/spec/cli.md §1.9).

use std::fs;
use std::path::{Path, PathBuf};

use crate::environment::Environment;

/// What to do with the shells' start-up files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Install,
    Uninstall,
}

/// Start-up files of bash; the first that exists is changed.
const BASH_FILES: &[&str] = &[".bashrc", ".bash_profile", ".bash_login", ".profile"];
const ZSH_FILE: &str = ".zshrc";
const ZSH_BASH_COMPLETION: &str = "autoload -U +X bashcompinit && bashcompinit";
const FISH_FILE: &str = "completions/consul.fish";

/// Installs or removes completion for each shell the user has start-up files of.
pub(crate) fn change(change: Change, environment: &Environment) -> Result<(), String> {
    let home = environment.get("HOME").map(PathBuf::from).ok_or("HOME is not set: cannot find any start-up files")?;
    let binary = std::env::current_exe().map_err(|e| format!("cannot find this program's own path: {e}"))?;
    let config = environment.get("XDG_CONFIG_HOME").map_or_else(|| home.join(".config"), PathBuf::from);
    change_in(change, &home, &config, &binary)
}

fn change_in(change: Change, home: &Path, config: &Path, binary: &Path) -> Result<(), String> {
    let binary = binary.display();
    let mut results = Vec::new();
    if let Some(file) = BASH_FILES.iter().map(|name| home.join(name)).find(|file| file.is_file()) {
        results.push(change_line(change, &file, &format!("complete -C {binary} consul"), None));
    }
    let zshrc = home.join(ZSH_FILE);
    if zshrc.is_file() {
        let line = format!("complete -o nospace -C {binary} consul");
        results.push(change_line(change, &zshrc, &line, Some(ZSH_BASH_COMPLETION)));
    }
    let fish = config.join("fish");
    if fish.is_dir() {
        results.push(change_file(change, &fish.join(FISH_FILE), &fish_completion(&binary.to_string())));
    }
    if results.is_empty() {
        return Err(format!("Did not find any shells to {}", change.verb()));
    }
    let errors: Vec<String> = results.into_iter().filter_map(Result::err).collect();
    match errors.as_slice() {
        [] => Ok(()),
        [one] => Err(format!("1 error occurred:\n\t* {one}\n\n")),
        many => Err(format!("{} errors occurred:\n\t* {}\n\n", many.len(), many.join("\n\t* "))),
    }
}

impl Change {
    fn verb(self) -> &'static str {
        match self {
            Change::Install => "install",
            Change::Uninstall => "uninstall",
        }
    }
}

/// Adds `line`, after `needed` unless that is there already, or removes `line`.
fn change_line(change: Change, file: &Path, line: &str, needed: Option<&str>) -> Result<(), String> {
    let name = file.display();
    let text = fs::read_to_string(file).map_err(|e| format!("cannot read {name}: {e}"))?;
    let has = |wanted: &str| text.lines().any(|l| l == wanted);
    let changed = match change {
        Change::Install if has(line) => return Err(format!("already installed in {name}")),
        Change::Uninstall if !has(line) => return Err(format!("not installed in {name}")),
        Change::Install => {
            let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
            let needed = needed.filter(|n| !has(n)).map(|n| format!("{n}\n")).unwrap_or_default();
            format!("{text}{gap}{needed}{line}\n")
        }
        Change::Uninstall => text.lines().filter(|l| *l != line).map(|l| format!("{l}\n")).collect(),
    };
    fs::write(file, changed).map_err(|e| format!("cannot write {name}: {e}"))
}

fn change_file(change: Change, file: &Path, text: &str) -> Result<(), String> {
    let name = file.display();
    match change {
        Change::Install if file.exists() => Err(format!("already installed in {name}")),
        Change::Uninstall if !file.exists() => Err(format!("not installed in {name}")),
        Change::Uninstall => fs::remove_file(file).map_err(|e| format!("cannot remove {name}: {e}")),
        Change::Install => {
            let folder = file.parent().unwrap_or(file);
            fs::create_dir_all(folder).map_err(|e| format!("cannot create {}: {e}", folder.display()))?;
            fs::write(file, text).map_err(|e| format!("cannot write {name}: {e}"))
        }
    }
}

/// fish has no `complete -C`: a function hands over the line up to the cursor.
fn fish_completion(binary: &str) -> String {
    format!(
        "function __fish_consul_candidates\n    set -lx COMP_LINE (commandline --cut-at-cursor \
         --current-process | string collect)\n    {binary}\nend\n\
         complete --command consul --no-files --arguments '(__fish_consul_candidates)'\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const BINARY: &str = "/opt/consul";

    fn run(what: Change, home: &Path) -> Result<(), String> {
        change_in(what, home, &home.join(".config"), Path::new(BINARY))
    }

    #[test]
    fn each_shell_found_is_told_and_untold() {
        let home = tempfile::tempdir().expect("a directory");
        fs::write(home.path().join(".bashrc"), "alias a=b").expect("bashrc");
        fs::write(home.path().join(".zshrc"), "").expect("zshrc");
        fs::create_dir_all(home.path().join(".config/fish")).expect("fish");

        run(Change::Install, home.path()).expect("installs");
        let read = |name: &str| fs::read_to_string(home.path().join(name)).expect("a file");
        assert_eq!(read(".bashrc"), "alias a=b\ncomplete -C /opt/consul consul\n");
        assert_eq!(
            read(".zshrc"),
            "autoload -U +X bashcompinit && bashcompinit\ncomplete -o nospace -C /opt/consul consul\n"
        );
        assert!(read(".config/fish/completions/consul.fish").contains("    /opt/consul\n"));

        run(Change::Uninstall, home.path()).expect("uninstalls");
        assert_eq!(read(".bashrc"), "alias a=b\n");
        assert!(!read(".zshrc").contains("consul"));
        assert!(!home.path().join(".config/fish/completions/consul.fish").exists());
    }

    #[test]
    fn installing_twice_is_an_error_that_names_the_file() {
        let home = tempfile::tempdir().expect("a directory");
        let file = home.path().join(".profile");
        fs::write(&file, "").expect("profile");
        run(Change::Install, home.path()).expect("installs");
        let error = run(Change::Install, home.path()).expect_err("is there already");
        assert_eq!(error, format!("1 error occurred:\n\t* already installed in {}\n\n", file.display()));
    }

    #[test]
    fn a_home_without_shells_is_an_error() {
        let home = tempfile::tempdir().expect("a directory");
        assert_eq!(run(Change::Install, home.path()), Err("Did not find any shells to install".to_string()));
    }
}
