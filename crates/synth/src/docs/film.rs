//! Draws a film: soft bright shapes on black with the labels of an examination. Shows no anatomy and no finding.

use super::Format;
use super::scan::{Scanner, encode};
use crate::rng::Rng;

const WIDTH: usize = 512;
const HEIGHT: usize = 640;

/// What is written on the film.
pub(crate) struct Labels {
    pub(crate) lines: Vec<String>,
}

/// One film as an image file.
pub(crate) fn draw(scanner: &mut Scanner, labels: &Labels, format: Format, rng: &mut Rng) -> Vec<u8> {
    let blobs: Vec<[f32; 5]> = (0..6)
        .map(|_| {
            [
                rng.between(110, 400) as f32,
                rng.between(150, 520) as f32,
                rng.between(40, 120) as f32,
                rng.between(60, 170) as f32,
                rng.between(50, 120) as f32,
            ]
        })
        .collect();
    let mut grey = vec![12_u8; WIDTH * HEIGHT];
    for [x, y, across, down, light] in &blobs {
        // Outside of its ellipse a shape adds nothing, so only the box around it is visited.
        let rows = (y - down).max(0.0) as usize..(y + down).min(HEIGHT as f32) as usize;
        let columns = (x - across).max(0.0) as usize..(x + across).min(WIDTH as f32) as usize;
        for row in rows {
            let v = (row as f32 - y) / down;
            for column in columns.clone() {
                let u = (column as f32 - x) / across;
                let inside = 1.0 - u * u - v * v;
                if inside > 0.0 {
                    let pixel = &mut grey[row * WIDTH + column];
                    *pixel = pixel.saturating_add((inside * light) as u8);
                }
            }
        }
    }
    for (place, line) in labels.lines.iter().enumerate() {
        scanner.label((&mut grey, WIDTH), (14, 28 + 22 * place as i32), 16.0, line);
    }
    scanner.label((&mut grey, WIDTH), (14, HEIGHT as i32 - 34), 16.0, "합성 영상 / SYNTHETIC IMAGE");
    scanner.label((&mut grey, WIDTH), (14, HEIGHT as i32 - 14), 12.0, "진단용이 아님 / NOT FOR DIAGNOSIS");
    encode(&grey, WIDTH, HEIGHT, format)
}
