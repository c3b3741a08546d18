//! `docs/profile-keys.md`, made from the comments of `profiles/balanced.toml`.

use std::fmt::Write;

use upshift::{BuiltInProfile, TieringProfile};

use crate::check;

const PAGE: &str = "profile-keys.md";
const HEAD: &str = "\
# Keys of profiles

<!-- From profiles/balanced.toml: `UPSHIFT_BLESS=1 cargo test -p upshift-cli --test docs`. -->

A profile has these keys; those that a file leaves out are as in [balanced](../profiles/balanced.toml). No key has an effect on
what a program computes. [tuning.md](tuning.md#profiles) has the ways to set them: a file, or `--set KEY=VALUE` for single keys.
`upshift profile show --all` prints this reference as a file to start from.

Operators are those of WebAssembly. A function has about half as many as bytes.
";

/// A part of the file: a section with its keys. The first one has no name.
#[derive(Default)]
struct Section {
    name: String,
    comment: String,
    keys: Vec<Key>,
}

struct Key {
    /// With the section.
    name: String,
    /// As the file has it.
    value: String,
    /// Whether the profile gives it, or shows in a comment only how to.
    is_given: bool,
    what: String,
    when: String,
    range: String,
}

/// A line that gives a key its value, or shows how to in a comment.
struct Setting<'a> {
    name: &'a str,
    value: &'a str,
    is_given: bool,
}

fn setting(line: &str) -> Option<Setting<'_>> {
    let bare = line.strip_prefix("# ");
    let (name, value) = bare.unwrap_or(line).split_once(" = ")?;
    let is_name = |c: char| c.is_ascii_lowercase() || c == '-';
    let is_given = bare.is_none();
    (name.chars().all(is_name)).then_some(Setting {
        name,
        value,
        is_given,
    })
}

/// Lines of a comment as one text. An indented line is a formula.
fn joined(lines: &[&str]) -> String {
    let mut words = Vec::new();
    for line in lines {
        let line = line.strip_prefix("# ").unwrap_or(line);
        words.push(match line.strip_prefix("  ") {
            Some(formula) => format!("`{formula}`"),
            None => line.to_owned(),
        });
    }
    words.join(" ")
}

impl Key {
    fn new(section: &str, comment: &[&str], setting: &Setting<'_>) -> Self {
        let name = match section {
            "" => setting.name.to_owned(),
            section => format!("{section}.{}", setting.name),
        };
        let comment = joined(comment);
        let parts = comment.split_once(" Touch it: ");
        let parts = parts.and_then(|(what, rest)| Some((what, rest.split_once(" Range: ")?)));
        let (what, (when, range)) =
            parts.unwrap_or_else(|| panic!("{name} lacks an effect, `Touch it:` or `Range:`"));
        Self {
            value: setting.value.to_owned(),
            is_given: setting.is_given,
            what: what.to_owned(),
            when: when.to_owned(),
            range: range.to_owned(),
            name,
        }
    }

    /// What its number counts, as the end of its name says; none for numbers without a unit and for texts.
    fn unit(&self) -> Option<String> {
        const COUNTED: &[&str] = &[
            "operators",
            "functions",
            "branches",
            "threads",
            "values",
            "locals",
            "loops",
            "levels",
            "accesses",
            "pairs",
            "bytes",
            "bits",
            "targets",
            "samples",
        ];
        let name = self.name.rsplit('.').next().unwrap_or(&self.name);
        if let Some((_, unit)) = name.split_once("-in-") {
            return Some(unit.replace('-', " "));
        }
        if let Some((counted, each)) = name.split_once("-per-") {
            let counted = counted.rsplit('-').next()?;
            return Some(format!("{counted} per {each}"));
        }
        let last = name.rsplit('-').next()?;
        COUNTED.contains(&last).then(|| last.to_owned())
    }

    /// Other built-in profiles that have another value, each with that.
    fn others(&self) -> String {
        let usual = TieringProfile::default();
        let mut others = Vec::new();
        for built_in in BuiltInProfile::ALL {
            for (name, value) in built_in.profile().differences(&usual) {
                if name == self.name {
                    let value = value.unwrap_or_else(|| "not given".to_owned());
                    others.push(format!("`{value}` in {}", built_in.name));
                }
            }
        }
        others.join(", ")
    }
}

fn sections(text: &str) -> Vec<Section> {
    let mut sections = vec![Section::default()];
    let mut comment = Vec::new();
    // The head is about the profile.
    let lines = text.lines().skip_while(|line| !line.is_empty());
    for line in lines {
        let section = sections.last_mut().expect("the first one");
        if let Some(setting) = setting(line) {
            section
                .keys
                .push(Key::new(&section.name, &comment, &setting));
        } else if let Some(name) = line.strip_prefix('[') {
            sections.push(Section {
                name: name.trim_end_matches(']').to_owned(),
                comment: joined(&comment),
                keys: Vec::new(),
            });
        } else if !line.is_empty() {
            comment.push(line);
            continue;
        }
        comment.clear();
    }
    sections
}

fn rendered(sections: &[Section]) -> String {
    let mut text = HEAD.to_owned();
    for section in sections {
        let heading = match section.name.as_str() {
            "" => "At the top".to_owned(),
            name => format!("`[{name}]`"),
        };
        writeln!(text, "\n## {heading}").unwrap();
        if !section.comment.is_empty() {
            writeln!(text, "\n{}", section.comment).unwrap();
        }
        for key in &section.keys {
            let Key {
                name,
                value,
                what,
                when,
                range,
                ..
            } = key;
            write!(text, "\n### `{name}`\n\n{what}\n\n").unwrap();
            match key.is_given {
                true => writeln!(text, "- **Default:** `{value}`").unwrap(),
                false => {
                    writeln!(text, "- **Default:** not given; an example is `{value}`").unwrap()
                }
            }
            if let Some(unit) = key.unit() {
                writeln!(text, "- **Unit:** {unit}").unwrap();
            }
            writeln!(text, "- **Range:** {}", range.trim_end_matches('.')).unwrap();
            writeln!(
                text,
                "- **When to touch it:** {}",
                when.trim_end_matches('.')
            )
            .unwrap();
            let others = key.others();
            if !others.is_empty() {
                writeln!(text, "- **Other profiles:** {others}").unwrap();
            }
        }
    }
    text
}

fn balanced() -> Vec<Section> {
    let balanced = BuiltInProfile::find("balanced").expect("the default");
    sections(balanced.text)
}

#[test]
fn the_page_has_every_key_as_the_default_explains_it() {
    check(PAGE, &rendered(&balanced()));
}

#[test]
fn the_keys_of_the_page_are_those_of_profiles() {
    let sections = balanced();
    let keys = Vec::from_iter(sections.iter().flat_map(|section| &section.keys));
    for key in &keys {
        let mut profile = TieringProfile::default();
        let set = profile.set(&key.name, key.value.trim_matches('"'));
        assert!(set.is_ok(), "{}: {set:?}", key.name);
    }
    // A profile as it is written, which has all keys but those that can be left out.
    let mut section = String::new();
    for line in TieringProfile::default().to_toml().lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = format!("{}.", name.trim_end_matches(']'));
        } else if let Some((name, _)) = line.split_once(" = ") {
            let name = format!("{section}{name}");
            assert!(keys.iter().any(|key| key.name == name), "{name} is missing");
        }
    }
    assert!(keys.len() > 50, "{}", keys.len());
}
