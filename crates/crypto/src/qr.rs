use qrcode::QrCode;
use qrcode::render::{svg, unicode};

use crate::provisioning_uri::ProvisioningUri;
use crate::secret::SecretText;

impl ProvisioningUri {
    /// The URI as a QR code in SVG, dark on white with a margin of four modules.
    ///
    /// It scales, loads nothing and has no script. It holds the secret: send it with
    /// `Cache-Control: no-store`.
    pub fn qr_svg(&self) -> Result<SecretText, QrError> {
        let image = self.code()?.render::<svg::Color<'_>>().build();
        Ok(SecretText::new(image))
    }

    /// The URI as a QR code for a terminal: two modules to a character, white and black set by
    /// escape sequences, so that it is dark on light whatever the terminal's colours are.
    ///
    /// Where the sequences are lost, it is so on dark terminals still.
    pub fn qr_blocks(&self) -> Result<SecretText, QrError> {
        // Blocks are in the colour of the text, which is the light one.
        let blocks = self
            .code()?
            .render::<unicode::Dense1x2>()
            .dark_color(unicode::Dense1x2::Light)
            .light_color(unicode::Dense1x2::Dark)
            .build();
        // Put together at once: a text that grows leaves copies of itself behind.
        let lines = blocks.lines();
        let parts: Vec<&str> = lines
            .flat_map(|line| [WHITE_ON_BLACK, line, PLAIN, "\n"])
            .collect();
        Ok(SecretText::new(parts.concat()))
    }

    fn code(&self) -> Result<QrCode, QrError> {
        QrCode::new(self.expose()).map_err(|_| QrError)
    }
}

/// The URI does not fit into a QR code: issuer and account together are too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too long for a QR code")]
pub struct QrError;

/// Two of the 256 colours that no theme changes.
const WHITE_ON_BLACK: &str = "\x1b[38;5;231;48;5;16m";
const PLAIN: &str = "\x1b[0m";

#[cfg(test)]
mod tests {
    use rqrr::PreparedImage;

    use super::*;
    use crate::TotpSecret;

    /// A few lengths, so that codes of several sizes are read.
    fn uris() -> impl Iterator<Item = ProvisioningUri> {
        let accounts = [
            "a".to_owned(),
            "ada@example.com".to_owned(),
            "zo\u{eb} \u{1f511} \u{4f8b}\u{3048}".to_owned(),
            "x".repeat(64),
            "\u{4f8b}".repeat(64),
        ];
        let uri =
            |account: String| ProvisioningUri::new(&TotpSecret::generate(), "Keyward", &account);
        accounts.into_iter().map(uri)
    }

    /// A picture, row by row; `true` is dark.
    struct Picture {
        width: usize,
        pixels: Vec<bool>,
    }

    impl Picture {
        fn light(width: usize, height: usize) -> Self {
            let pixels = vec![false; width * height];
            Self { width, pixels }
        }

        /// Draws `M<left> <top>h<width>v<height>H<left>V<top>`.
        fn from_svg(svg: &str) -> Self {
            let width = numbers(between(svg, "viewBox=\"0 0 ", "\""))[0];
            let mut picture = Self::light(width, width);
            for rectangle in between(svg, " d=\"M", "\"").split('M') {
                let [left, top, width, height, ..] = numbers(rectangle)[..] else {
                    panic!("{rectangle}");
                };
                for y in top..top + height {
                    let start = y * picture.width + left;
                    picture.pixels[start..start + width].fill(true);
                }
            }
            picture
        }

        /// As a terminal draws it that has twice the height for a character. `is_dark` says so of
        /// text and background.
        fn from_blocks(blocks: &str, text_is_dark: bool, background_is_dark: bool) -> Self {
            let lines: Vec<Vec<char>> = blocks.lines().map(|line| line.chars().collect()).collect();
            let mut picture = Self::light(lines[0].len() * SCALE, 0);
            for (line, half) in lines.iter().flat_map(|line| [(line, 0), (line, 1)]) {
                let row = line.iter().map(|block| match (block, half) {
                    ('\u{2588}', _) | ('\u{2580}', 0) | ('\u{2584}', 1) => text_is_dark,
                    (' ' | '\u{2580}' | '\u{2584}', _) => background_is_dark,
                    _ => panic!("{block:?}"),
                });
                let row: Vec<bool> = row.flat_map(|dark| [dark; SCALE]).collect();
                for _ in 0..SCALE {
                    picture.pixels.extend(&row);
                }
            }
            picture
        }

        fn scan(&self) -> String {
            let height = self.pixels.len() / self.width;
            let mut image = PreparedImage::prepare_from_greyscale(self.width, height, |x, y| {
                if self.pixels[y * self.width + x] {
                    0
                } else {
                    255
                }
            });
            let grids = image.detect_grids();
            assert_eq!(grids.len(), 1);
            grids[0].decode().unwrap().1
        }

        /// How many rows and columns around the code are light, at the left, right and top. The
        /// lower half of the last line of blocks is no row of the code.
        fn margins(&self) -> [usize; 3] {
            let rows: Vec<_> = self.pixels.chunks(self.width).take(self.width).collect();
            let is_light = |column: usize| rows.iter().all(|row| !row[column]);
            [
                (0..self.width)
                    .take_while(|column| is_light(*column))
                    .count(),
                (0..self.width)
                    .rev()
                    .take_while(|column| is_light(*column))
                    .count(),
                rows.iter().take_while(|row| !row.contains(&true)).count(),
            ]
        }
    }

    fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
        let (_, rest) = text.split_once(start).unwrap();
        rest.split_once(end).unwrap().0
    }

    fn numbers(text: &str) -> Vec<usize> {
        text.split(|character: char| !character.is_ascii_digit())
            .filter(|digits| !digits.is_empty())
            .map(|digits| digits.parse().unwrap())
            .collect()
    }

    /// The text without its escape sequences, which must be around every line.
    fn without_colours(blocks: &str) -> String {
        let lines = blocks.lines().map(|line| {
            let line = line.strip_prefix("\u{1b}[38;5;231;48;5;16m").unwrap();
            line.strip_suffix("\u{1b}[0m").unwrap()
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_svg_scans() {
        for uri in uris() {
            let svg = uri.qr_svg().unwrap();
            let picture = Picture::from_svg(svg.expose());
            assert_eq!(picture.scan(), uri.expose());
            // Eight units to a module.
            assert_eq!(picture.margins(), [32; 3]);
        }
    }

    #[test]
    fn the_svg_scales_is_dark_on_white_and_loads_nothing() {
        for uri in uris() {
            let svg = uri.qr_svg().unwrap();
            let svg = svg.expose();
            let elements: Vec<_> = svg
                .split('<')
                .skip(1)
                .map(|element| element.split([' ', '>']).next().unwrap())
                .collect();
            assert_eq!(elements, ["?xml", "svg", "rect", "path", "/svg"]);
            let shape = format!("{}\"/></svg>", svg.split_once(" d=\"").unwrap().0);
            let size = between(svg, "viewBox=\"0 0 ", " ");
            assert_eq!(
                shape,
                format!(
                    "<?xml version=\"1.0\" standalone=\"yes\"?>\
                     <svg xmlns=\"http://www.w3.org/2000/svg\" version=\"1.1\" \
                     width=\"{size}\" height=\"{size}\" viewBox=\"0 0 {size} {size}\" \
                     shape-rendering=\"crispEdges\">\
                     <rect x=\"0\" y=\"0\" width=\"{size}\" height=\"{size}\" fill=\"#fff\"/>\
                     <path fill=\"#000\"\"/></svg>"
                )
            );
        }
    }

    #[test]
    fn the_blocks_scan_in_their_own_colours_and_on_a_dark_terminal_without_them() {
        for uri in uris() {
            let blocks = uri.qr_blocks().unwrap();
            let picture = Picture::from_blocks(&without_colours(blocks.expose()), false, true);
            assert_eq!(picture.scan(), uri.expose());
            assert_eq!(picture.margins(), [4 * SCALE; 3]);
        }
    }

    #[test]
    fn the_blocks_fit_a_terminal_of_80_columns() {
        let uri = ProvisioningUri::new(&TotpSecret::generate(), "Keyward", &"x".repeat(64));
        let blocks = without_colours(uri.qr_blocks().unwrap().expose());
        for line in blocks.lines() {
            assert!(line.chars().count() <= 80, "{}", line.chars().count());
        }
    }

    #[test]
    fn names_without_end_do_not_fit() {
        let uri = ProvisioningUri::new(&TotpSecret::generate(), "Keyward", &"x".repeat(3000));
        assert_eq!(uri.qr_svg().unwrap_err(), QrError);
        assert_eq!(uri.qr_blocks().unwrap_err(), QrError);
    }

    /// Pixels to a module.
    const SCALE: usize = 4;
}
