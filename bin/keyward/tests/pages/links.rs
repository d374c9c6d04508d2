//! Every page is in the book, and every link leads somewhere.

use std::collections::BTreeSet;
use std::fs;

use crate::{file, text};

/// The targets of links in a page, without those to other hosts.
fn links(markdown: &str) -> Vec<String> {
    markdown
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
        .map(str::to_owned)
        .collect()
}

/// The anchor that a heading gets.
fn anchors(markdown: &str) -> BTreeSet<String> {
    let headings = markdown.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|heading| {
            let words = heading.trim_start_matches('#').trim().to_lowercase();
            let kept = words
                .chars()
                .filter(|c| c.is_alphanumeric() || *c == ' ' || *c == '-');
            kept.collect::<String>().replace(' ', "-")
        })
        .collect()
}

fn pages() -> Vec<String> {
    let docs = fs::read_dir(file("docs")).unwrap();
    let names = docs.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let pages = names.filter_map(|name| name.strip_suffix(".md").map(str::to_owned));
    pages.map(|name| format!("docs/{name}.md")).collect()
}

/// What is wrong with the links of a page in the folder `folder`.
fn broken(folder: &str, markdown: &str) -> Vec<String> {
    let leads_nowhere = |target: &String| {
        let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
        let there = file(folder).join(path);
        if path.is_empty() {
            return !anchors(markdown).contains(anchor);
        }
        let Ok(page) = fs::read_to_string(&there) else {
            return !there.exists();
        };
        !anchor.is_empty() && !anchors(&page).contains(anchor)
    };
    links(markdown).into_iter().filter(leads_nowhere).collect()
}

#[test]
fn every_link_leads_somewhere() {
    for page in pages() {
        assert_eq!(broken("docs", &text(&page)), [""; 0], "{page}");
    }
    for page in ["README.md", "SECURITY.md", "CHANGELOG.md"] {
        assert_eq!(broken(".", &text(page)), [""; 0], "{page}");
    }
    let wrong = "[a](missing.md) [b](operating.md#missing) [c](#missing) [d](operating.md#tls)";
    let found = broken("docs", wrong);
    assert_eq!(found, ["missing.md", "operating.md#missing", "#missing"]);
}

#[test]
fn every_page_is_in_the_book_once() {
    let mut listed = links(&text("docs/SUMMARY.md"));
    listed.sort_unstable();
    let mut pages: Vec<_> = pages()
        .into_iter()
        .map(|page| page.trim_start_matches("docs/").to_owned())
        .filter(|page| page != "SUMMARY.md")
        .collect();
    pages.sort_unstable();
    assert_eq!(listed, pages);
}
