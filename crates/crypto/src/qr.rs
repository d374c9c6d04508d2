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
        let mut text = String::with_capacity(blocks.len() + blocks.lines().count() * LINE_EXTRA);
        for line in blocks.lines() {
            text.push_str(WHITE_ON_BLACK);
            text.push_str(line);
            text.push_str(PLAIN);
            text.push('\n');
        }
        Ok(SecretText::new(text))
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
const LINE_EXTRA: usize = WHITE_ON_BLACK.len() + PLAIN.len() + 1;
