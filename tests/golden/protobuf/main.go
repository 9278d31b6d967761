// Prints Nodes, a list, a Status and watch events as JSON and as the protobuf of
// Kubernetes' own marshallers: the golden bytes of tests/wire/node_protobuf_golden_test.ts.
//
//	cd tests/golden/protobuf && go run . > nodes.jsonl
package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
)

const key = "clusternet.dev/wg-pubkey"

var at = metav1.NewTime(time.Date(2025, 11, 22, 15, 0, 0, 0, time.UTC))

func node(name string) *v1.Node {
	return &v1.Node{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Node"},
		ObjectMeta: metav1.ObjectMeta{
			Name: name, UID: "6e0f4f0c-0000-4000-8000-000000000001",
			ResourceVersion: "4711", Generation: 3, CreationTimestamp: at,
			Labels:      map[string]string{"kubernetes.io/os": "linux", "a": "ü"},
			Annotations: map[string]string{"a": "1", key: "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=", "z": "2"},
			Finalizers:  []string{"example.com/x"},
			ManagedFields: []metav1.ManagedFieldsEntry{{
				Manager: "kubelet", Operation: "Update", APIVersion: "v1", Time: &at,
				FieldsType: "FieldsV1", FieldsV1: &metav1.FieldsV1{Raw: []byte(`{"f:status":{}}`)},
				Subresource: "status",
			}},
		},
		Spec: v1.NodeSpec{
			PodCIDR: "10.0.1.0/24", PodCIDRs: []string{"10.0.1.0/24", "fd00:1::/64"},
			ProviderID: "lab://1", Unschedulable: true,
			Taints: []v1.Taint{{Key: "k", Effect: "NoSchedule", TimeAdded: &at}},
		},
		Status: v1.NodeStatus{
			Capacity: v1.ResourceList{"cpu": resource.MustParse("8")},
			Conditions: []v1.NodeCondition{
				{Type: "Ready", Status: "True", LastHeartbeatTime: at, LastTransitionTime: at, Reason: "KubeletReady", Message: "ok"},
				{Type: "NetworkUnavailable", Status: "False", LastHeartbeatTime: at, LastTransitionTime: at, Reason: "ClusternetIsUp", Message: "it stands"},
			},
			Addresses: []v1.NodeAddress{
				{Type: "InternalIP", Address: "192.0.2.1"}, {Type: "Hostname", Address: name},
				{Type: "InternalIP", Address: "2001:db8::1"},
			},
			DaemonEndpoints: v1.NodeDaemonEndpoints{KubeletEndpoint: v1.DaemonEndpoint{Port: 10250}},
			NodeInfo:        v1.NodeSystemInfo{KubeletVersion: "v1.36.3", Architecture: "amd64"},
			Images:          []v1.ContainerImage{{Names: []string{"registry.example/a:1"}, SizeBytes: 123456789}},
		},
	}
}

var types = runtime.NewScheme()

func wrapped(object runtime.Object) []byte {
	serializer := protobuf.NewSerializer(types, types)
	bytes, err := runtime.Encode(serializer, object)
	if err != nil {
		panic(err)
	}
	return bytes
}

// As the watch handler frames it, without the four bytes of length.
func event(kind string, object runtime.Object) []byte {
	event := metav1.WatchEvent{Type: kind, Object: runtime.RawExtension{Raw: wrapped(object)}}
	bytes, err := event.Marshal()
	if err != nil {
		panic(err)
	}
	return bytes
}

func print(name string, object any, bytes []byte) {
	text, err := json.Marshal(object)
	if err != nil {
		panic(err)
	}
	line, _ := json.Marshal(map[string]any{
		"name": name, "json": json.RawMessage(text), "protobuf": base64.StdEncoding.EncodeToString(bytes),
	})
	fmt.Println(string(line))
}

func main() {
	full, bare := node("worker-1"), &v1.Node{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Node"},
		ObjectMeta: metav1.ObjectMeta{Name: "bare", ResourceVersion: "1"},
	}
	for _, one := range []*v1.Node{full, bare} {
		for _, kind := range []string{"ADDED", "MODIFIED", "DELETED"} {
			print(kind, map[string]any{"type": kind, "object": one}, event(kind, one))
		}
	}
	mark := &v1.Node{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Node"},
		ObjectMeta: metav1.ObjectMeta{ResourceVersion: "99", Annotations: map[string]string{"k8s.io/initial-events-end": "true"}},
	}
	print("BOOKMARK", map[string]any{"type": "BOOKMARK", "object": mark}, event("BOOKMARK", mark))
	gone := &metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"},
		Status:   "Failure", Message: "too old resource version: 1 (9)", Reason: "Expired", Code: 410,
	}
	print("ERROR", map[string]any{"type": "ERROR", "object": gone}, event("ERROR", gone))
	large := &metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"},
		Status:   "Failure", Message: "Timeout: Too large resource version: 9, current: 1", Reason: "Timeout", Code: 504,
		Details: &metav1.StatusDetails{RetryAfterSeconds: 1, Causes: []metav1.StatusCause{
			{Type: "ResourceVersionTooLarge", Message: "Too large resource version"}}},
	}
	print("status", large, wrapped(large))
	full.TypeMeta, bare.TypeMeta = metav1.TypeMeta{}, metav1.TypeMeta{}
	left := int64(40)
	list := &v1.NodeList{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "NodeList"},
		ListMeta: metav1.ListMeta{ResourceVersion: "4712", Continue: "token", RemainingItemCount: &left},
		Items:    []v1.Node{*full, *bare},
	}
	print("list", list, wrapped(list))
}
