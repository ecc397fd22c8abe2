// Command noproxy says how Go programs such as kubelet and containerd reach URLs: "direct", or by the proxy of the
// environment. It is Go's own reading of HTTPS_PROXY and NO_PROXY, and nothing else.
package main

import (
	"fmt"
	"net/http"
	"os"
)

func main() {
	for _, url := range os.Args[1:] {
		request, err := http.NewRequest(http.MethodGet, url, nil)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		proxy, err := http.ProxyFromEnvironment(request)
		switch {
		case err != nil:
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		case proxy == nil:
			fmt.Println("direct")
		default:
			fmt.Println(proxy.Redacted())
		}
	}
}
