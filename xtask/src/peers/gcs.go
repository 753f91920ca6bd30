// fake-gcs-server with what it lacks of Google's XML API: PUT of an object, and a look at who asks.
//
//	account FILE               makes a service account with a new key
//	serve PORT FOLDER FILE     serves the buckets below the folder to that service account
package main

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/fsouza/fake-gcs-server/fakestorage"
)

// Where it serves the XML API.
const host = "storage.googleapis.com"

type account struct {
	Type  string `json:"type"`
	Email string `json:"client_email"`
	KeyID string `json:"private_key_id"`
	Key   string `json:"private_key"`
}

func main() {
	var err error
	switch {
	case len(os.Args) == 3 && os.Args[1] == "account":
		err = makeAccount(os.Args[2])
	case len(os.Args) == 5 && os.Args[1] == "serve":
		err = serve(os.Args[2], os.Args[3], os.Args[4])
	default:
		err = errors.New("account FILE, or serve PORT FOLDER FILE")
	}
	fmt.Fprintln(os.Stderr, err)
	if err != nil {
		os.Exit(1)
	}
}

func makeAccount(file string) error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	made := account{"service_account", "backups@example.com", "canary-of-a-key-id", string(text)}
	out, err := json.Marshal(made)
	if err != nil {
		return err
	}
	return os.WriteFile(file, out, 0o600)
}

func serve(port, folder, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var known account
	if err := json.Unmarshal(text, &known); err != nil {
		return err
	}
	block, _ := pem.Decode([]byte(known.Key))
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return err
	}
	public := &parsed.(*rsa.PrivateKey).PublicKey
	server, err := fakestorage.NewServerWithOptions(fakestorage.Options{StorageRoot: folder, PublicHost: host, NoListener: true})
	if err != nil {
		return err
	}
	handler := server.HTTPHandler()
	return http.ListenAndServe("127.0.0.1:"+port, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if why := refused(r, public, known.Email); why != nil {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprintf(w, "<?xml version='1.0' encoding='UTF-8'?><Error><Code>AuthenticationRequired</Code><Details>%s</Details></Error>", why)
			return
		}
		r.Host = host
		if r.Method == http.MethodPut {
			put(handler, w, r)
			return
		}
		handler.ServeHTTP(w, r)
	}))
}

// The token is one that the service account signed itself, and is still good.
func refused(r *http.Request, public *rsa.PublicKey, email string) error {
	parts := strings.Split(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), ".")
	if len(parts) != 3 {
		return errors.New("no token")
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return err
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature); err != nil {
		return err
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return err
	}
	var claims struct {
		Iss string `json:"iss"`
		Exp int64  `json:"exp"`
	}
	if err := json.Unmarshal(text, &claims); err != nil {
		return err
	}
	if claims.Iss != email || claims.Exp < time.Now().Unix() {
		return errors.New("a token of another account, or of another day")
	}
	return nil
}

// PUT /BUCKET/OBJECT is its upload of a whole object, answered as the XML API answers.
func put(handler http.Handler, w http.ResponseWriter, r *http.Request) {
	bucket, object, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	query := url.Values{"uploadType": {"media"}, "name": {object}}
	upload, err := http.NewRequest(http.MethodPost, "http://"+host+"/upload/storage/v1/b/"+url.PathEscape(bucket)+"/o?"+query.Encode(), r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	upload.Header = r.Header
	upload.ContentLength = r.ContentLength
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, upload)
	if answer.Code != http.StatusOK {
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
		return
	}
	var made struct {
		Etag       string `json:"etag"`
		Generation string `json:"generation"`
		Size       string `json:"size"`
	}
	// An upload that was cut off is none.
	if err := json.Unmarshal(answer.Body.Bytes(), &made); err != nil || made.Size != strconv.FormatInt(r.ContentLength, 10) {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.Header().Set("ETag", strconv.Quote(strings.Trim(made.Etag, `"`)))
	w.Header().Set("x-goog-generation", made.Generation)
	w.WriteHeader(http.StatusOK)
}
