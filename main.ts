console.log("clusternet");
