//! Links of the documentation lead somewhere: to files, to headings, to the tests that a page names.

use std::collections::HashSet;

use crate::{File, files, none, root};

/// What a link to a heading names it by: its words in small letters, with hyphens between them.
fn anchor(heading: &str) -> String {
    let keep = |c: char| c.is_alphanumeric() || c == ' ' || c == '-' || c == '_';
    let kept: String = heading
        .trim()
        .to_lowercase()
        .chars()
        .filter(|&c| keep(c))
        .collect();
    kept.replace(' ', "-")
}

/// Headings of a page, outside of its listings.
fn anchors(text: &str) -> HashSet<String> {
    let mut in_listing = false;
    let mut found = HashSet::new();
    for line in text.lines() {
        in_listing ^= line.starts_with("```");
        if !in_listing && line.starts_with('#') {
            found.insert(anchor(line.trim_start_matches('#')));
        }
    }
    found
}

/// Where the links of a page lead, as they are written.
fn targets(text: &str) -> impl Iterator<Item = &str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
}

/// Pages of documentation.
fn pages() -> Vec<File> {
    files(".md")
}

#[test]
fn headings_are_found_by_their_anchors() {
    assert_eq!(
        anchor(" What a compile may cost"),
        "what-a-compile-may-cost"
    );
    assert_eq!(
        anchor(" `upshift run`: files, and more"),
        "upshift-run-files-and-more"
    );
    assert!(!anchors("```sh\n# no heading\n```\n# One\n").contains("no-heading"));
}

#[test]
fn links_between_pages_lead_to_a_heading() {
    let pages = pages();
    let mut wrong = Vec::new();
    for page in &pages {
        let folder = page.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for target in targets(&page.text).filter(|target| !target.contains("://")) {
            let (path, heading) = target.split_once('#').unwrap_or((target, ""));
            let path = match path {
                "" => page.path.clone(),
                path => normal(folder, path),
            };
            let other = pages.iter().find(|other| other.path == path);
            let leads = match other {
                Some(other) => heading.is_empty() || anchors(&other.text).contains(heading),
                None => heading.is_empty() && root().join(&path).exists(),
            };
            if !leads {
                wrong.push(format!("{}: {target}", page.path));
            }
        }
    }
    none(&wrong);
}

/// A path from a folder, without `..`.
fn normal(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "." | "" => {}
            ".." => _ = parts.pop(),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[test]
fn source_files_that_a_page_names_are_there() {
    let sources: Vec<String> = files(".rs")
        .into_iter()
        .chain(files(".c"))
        .map(|file| file.path)
        .collect();
    let mut wrong = Vec::new();
    for page in pages() {
        for name in page.text.split('`').skip(1).step_by(2) {
            let is_path = name
                .chars()
                .all(|c| c.is_alphanumeric() || "/_.-".contains(c));
            // This stands for any name.
            let is_path = is_path && !name.starts_with("NAME");
            if is_path && (name.ends_with(".rs") || name.ends_with(".c")) {
                let ending = format!("/{name}");
                if !sources
                    .iter()
                    .any(|source| source == name || source.ends_with(&ending))
                {
                    wrong.push(format!("{}: {name}", page.path));
                }
            }
        }
    }
    none(&wrong);
}
