// Checks a log of ours with Go's checksum-database packages, which know nothing of this program: the signed note, the root from
// the tiles, proofs of entries and of growth. Only the paths of tiles are mapped, from tile/8/<L>/<N> to tile/<L>/<N>.
//
// Usage: verify_log -folder FOLDER -key VKEY [-witness VKEY ...] [-earlier CHECKPOINT] [-proof FILE -entry HEX]
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Entries up to this number are all proven; of more, one in some.
const provenMax = 3000

type head struct {
	origin string
	size   int64
	root   tlog.Hash
}

// witness checks cosignatures (cosignature/v1), which the package note leaves to its callers.
type witness struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func (w witness) Name() string    { return w.name }
func (w witness) KeyHash() uint32 { return w.hash }
func (w witness) Verify(msg, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	at := binary.BigEndian.Uint64(sig)
	signed := fmt.Sprintf("cosignature/v1\ntime %d\n%s", at, msg)
	return ed25519.Verify(w.key, []byte(signed), sig[8:])
}

func newWitness(vkey string) (witness, error) {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 {
		return witness{}, errors.New("not a key")
	}
	typed, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(typed) != 33 || typed[0] != 4 {
		return witness{}, errors.New("not the key of a cosigner")
	}
	id := sha256.Sum256(append([]byte(parts[0]+"\n"), typed...))
	hash := binary.BigEndian.Uint32(id[:])
	if fmt.Sprintf("%08x", hash) != parts[1] {
		return witness{}, errors.New("the id is not that of the key")
	}
	return witness{parts[0], hash, ed25519.PublicKey(typed[1:])}, nil
}

type keys []string

func (k *keys) String() string     { return strings.Join(*k, " ") }
func (k *keys) Set(s string) error { *k = append(*k, s); return nil }

func open(msg []byte, log note.Verifier, witnesses []note.Verifier) (head, int, error) {
	opened, err := note.Open(msg, note.VerifierList(append([]note.Verifier{log}, witnesses...)...))
	if err != nil {
		return head{}, 0, err
	}
	var signedByLog bool
	for _, sig := range opened.Sigs {
		signedByLog = signedByLog || sig.Hash == log.KeyHash()
	}
	lines := strings.Split(strings.TrimSuffix(opened.Text, "\n"), "\n")
	if !signedByLog || len(lines) != 3 || lines[0] != log.Name() {
		return head{}, 0, errors.New("not a checkpoint that the log has signed")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return head{}, 0, err
	}
	root, err := tlog.ParseHash(lines[2])
	return head{lines[0], size, root}, len(opened.Sigs) - 1, err
}

// folder reads tiles as our logs name them.
type folder string

func (f folder) Height() int                    { return 8 }
func (f folder) SaveTiles([]tlog.Tile, [][]byte) {}
func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range tiles {
		path := "tile/" + strings.TrimPrefix(tile.Path(), "tile/8/")
		data, err := os.ReadFile(filepath.Join(string(f), path))
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

func (f folder) entries(size int64) ([][]byte, error) {
	var all [][]byte
	for n := int64(0); n*256 < size; n++ {
		tile := tlog.Tile{H: 8, L: 0, N: n, W: 256}
		if size-n*256 < 256 {
			tile.W = int(size - n*256)
		}
		path := "tile/entries/" + strings.TrimPrefix(tile.Path(), "tile/8/0/")
		data, err := os.ReadFile(filepath.Join(string(f), path))
		if err != nil {
			return nil, err
		}
		for len(data) > 0 {
			length := int(binary.BigEndian.Uint16(data))
			all = append(all, data[2:2+length])
			data = data[2+length:]
		}
	}
	if int64(len(all)) != size {
		return nil, fmt.Errorf("%d entries for a log of %d", len(all), size)
	}
	return all, nil
}

func checkProof(path, entry string, log note.Verifier, witnesses []note.Verifier) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	at := bytes.Index(data, []byte("\n\n"))
	if at < 0 {
		return errors.New("not a proof")
	}
	lines := strings.Split(string(data[:at]), "\n")
	if lines[0] != "c2sp.org/tlog-proof@v1" {
		return errors.New("not a tlog-proof")
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[1], "index "), 10, 64)
	if err != nil {
		return err
	}
	var proof tlog.RecordProof
	for _, line := range lines[2:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return err
		}
		proof = append(proof, hash)
	}
	under, _, err := open(data[at+2:], log, witnesses)
	if err != nil {
		return err
	}
	content, err := hex.DecodeString(entry)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(proof, under.size, under.root, index, tlog.RecordHash(content))
}

func run() error {
	var witnessKeys keys
	at := flag.String("folder", "", "folder of the log")
	key := flag.String("key", "", "verifier key of the log")
	earlier := flag.String("earlier", "", "file with an earlier checkpoint")
	proof := flag.String("proof", "", "proof file")
	entry := flag.String("entry", "", "the entry of the proof, in hexadecimal")
	flag.Var(&witnessKeys, "witness", "key of a witness")
	flag.Parse()
	log, err := note.NewVerifier(*key)
	if err != nil {
		return fmt.Errorf("key: %w", err)
	}
	var witnesses []note.Verifier
	for _, text := range witnessKeys {
		one, err := newWitness(text)
		if err != nil {
			return fmt.Errorf("witness: %w", err)
		}
		witnesses = append(witnesses, one)
	}
	msg, err := os.ReadFile(filepath.Join(*at, "checkpoint"))
	if err != nil {
		return err
	}
	now, cosigned, err := open(msg, log, witnesses)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	reader := tlog.TileHashReader(tlog.Tree{N: now.size, Hash: now.root}, folder(*at))
	root, err := tlog.TreeHash(now.size, reader)
	if err != nil || root != now.root {
		return fmt.Errorf("root from the tiles: %v, %w", root, err)
	}
	entries, err := folder(*at).entries(now.size)
	if err != nil {
		return fmt.Errorf("entries: %w", err)
	}
	step := now.size/provenMax + 1
	proven := 0
	for n := int64(0); n < now.size; n += step {
		made, err := tlog.ProveRecord(now.size, n, reader)
		if err == nil {
			err = tlog.CheckRecord(made, now.size, now.root, n, tlog.RecordHash(entries[n]))
		}
		if err != nil {
			return fmt.Errorf("entry %d: %w", n, err)
		}
		proven++
	}
	if *earlier != "" {
		msg, err := os.ReadFile(*earlier)
		if err != nil {
			return err
		}
		before, _, err := open(msg, log, witnesses)
		if err != nil {
			return fmt.Errorf("earlier checkpoint: %w", err)
		}
		growth, err := tlog.ProveTree(now.size, before.size, reader)
		if err == nil {
			err = tlog.CheckTree(growth, now.size, now.root, before.size, before.root)
		}
		if err != nil {
			return fmt.Errorf("growth from %d: %w", before.size, err)
		}
	}
	if *proof != "" {
		if err := checkProof(*proof, *entry, log, witnesses); err != nil {
			return fmt.Errorf("proof: %w", err)
		}
	}
	fmt.Printf("ok: %s, %d entries, %d proven, %d cosignatures\n", now.origin, now.size, proven, cosigned)
	return nil
}

func main() {
	if err := run(); err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
}
